"""What is drawn: shorthands, choices, draws about the nominal mission, covariances, epochs."""
