"""A study in one file: the mission, what varies, how often, and how runs execute."""

from gmat_sweep.study.model import Study
from gmat_sweep.study.reading import read_study, study_schema

__all__ = ["Study", "read_study", "study_schema"]
