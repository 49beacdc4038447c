"""dlcourse: what does depth buy over width? The lecture "Deep Neural Networks" as torch modules, exact counts and experiments."""
