"""TensorBoard's tab "Depth x width": what did depth buy over width, answered on the first screen.

`plugin` is what TensorBoard finds, and knows of files and addresses only. All that is shown is decided in Python:

    folders -> view, what the address asks for -> curves -> figures (plotly) and sentence -> page, and run for one run

`index.js` shows it, and sends what is chosen back. `curves`, `figures` and `sentence` know of no TensorBoard.
"""
