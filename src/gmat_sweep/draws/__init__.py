"""What is drawn: shorthands, choices, draws about the nominal mission, covariances, epochs."""

from gmat_sweep.draws.ccsds import covariance_of_message
from gmat_sweep.draws.covariance import Covariance

__all__ = ["Covariance", "covariance_of_message"]
