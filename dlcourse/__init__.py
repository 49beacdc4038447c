"""dlcourse: what does depth buy over width? The lecture "Deep Neural Networks" as modules, counts and experiments."""
