"""A study in one file: the mission, what varies, how often, and how runs execute."""

from gmat_sweep.study.model import Study
from gmat_sweep.study.planning import fly_study
from gmat_sweep.study.reading import read_study, study_schema

__all__ = ["Study", "fly_study", "read_study", "study_schema"]
