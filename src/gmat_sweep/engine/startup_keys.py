"""Keys of GMAT's startup file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FILE_KEYS",
    "FOLDER_KEYS",
    "NAMED_THOUGH_ABSENT",
]

# GMAT validates the folder behind each of these keys at start-up, used or not.
FOLDER_KEYS: Mapping[str, str] = {
    "ROOT_PATH": "",
    "DATA_PATH": "data",
    "TIME_PATH": "data/time",
    "PLANETARY_COEFF_PATH": "data/planetary_coeff",
    "PLANETARY_EPHEM_DE_PATH": "data/planetary_ephem/de",
    "PLANETARY_EPHEM_SPK_PATH": "data/planetary_ephem/spk",
    "EARTH_POT_PATH": "data/gravity/earth",
    "LUNA_POT_PATH": "data/gravity/luna",
    "VENUS_POT_PATH": "data/gravity/venus",
    "MARS_POT_PATH": "data/gravity/mars",
    "OTHER_POT_PATH": "data/gravity/other",
    "ATMOSPHERE_PATH": "data/atmosphere/earth",
    "MARS_ATMOSPHERE_PATH": "data/atmosphere/mars",
    "IONOSPHERE_PATH": "data/IonosphereData",
    "VEHICLE_EPHEM_PATH": "data/vehicle/ephem",
    "VEHICLE_EPHEM_SPK_PATH": "data/vehicle/ephem/spk",
    "VEHICLE_EPHEM_CCSDS_PATH": "data/vehicle/ephem/ccsds",
    "VEHICLE_MODEL_PATH": "data/vehicle/models",
    "SPAD_PATH": "data/vehicle/spad",
    "MEASUREMENT_PATH": "data/measurement",
    "TEXTURE_PATH": "data/graphics/texture",
    "BODY_3D_MODEL_PATH": "data/graphics/bodymodels",
    "STAR_PATH": "data/graphics/stars",
    "GUI_CONFIG_PATH": "data/gui_config",
    "SPLASH_PATH": "data/graphics/splash",
    "ICON_PATH": "data/graphics/icons",
    "FILE_UPDATE_PATH": "data/updates",
    "HELP_PATH": "data/help",
}

# The file names of GMAT's own startup file, so that a data folder copied from an install works.
FILE_KEYS: Mapping[str, tuple[str, ...]] = {
    "DE405_FILE": (
        "planetary_ephem/de/leDE1941.405",
        "planetary_ephem/de/gmatpy_de405_1941_2201.405",
    ),
    "DE421_FILE": ("planetary_ephem/de/unxp1900.421", "planetary_ephem/de/leDE1900.421"),
    "DE424_FILE": ("planetary_ephem/de/leDE1940.424",),
    "DE430_FILE": ("planetary_ephem/de/leDE-1900.430",),
    "PLANETARY_SPK_FILE": (
        "planetary_ephem/spk/DE405AllPlanets.bsp",
        "planetary_ephem/spk/gmatpy_de405_all_planets.bsp",
    ),
    "EOP_FILE": ("planetary_coeff/eopc04_08.62-now",),
    "NUTATION_COEFF_FILE": ("planetary_coeff/NUTATION.DAT",),
    "PLANETARY_COEFF_FILE": ("planetary_coeff/NUT85.DAT",),
    "PLANETARY_PCK_FILE": ("planetary_coeff/SPICEPlanetaryConstantsKernel.tpc",),
    "EARTH_LATEST_PCK_FILE": ("planetary_coeff/earth_latest_high_prec.bpc",),
    "EARTH_PCK_PREDICTED_FILE": ("planetary_coeff/SPICEEarthPredictedKernel.bpc",),
    "EARTH_PCK_CURRENT_FILE": ("planetary_coeff/SPICEEarthCurrentKernel.bpc",),
    "LUNA_PCK_CURRENT_FILE": ("planetary_coeff/SPICELunaCurrentKernel.bpc",),
    "LUNA_FRAME_KERNEL_FILE": ("planetary_coeff/SPICELunaFrameKernel.tf",),
    "LEAP_SECS_FILE": ("time/tai-utc.dat",),
    "LSK_FILE": ("time/SPICELeapSecondKernel.tls",),
    "EGM96_FILE": ("gravity/earth/EGM96.cof",),
    "JGM2_FILE": ("gravity/earth/JGM2.cof",),
    "JGM3_FILE": ("gravity/earth/JGM3.cof",),
    "LP165P_FILE": ("gravity/luna/lp165p.cof", "gravity/luna/LP165P.cof"),
    "GRGM900C_FILE": ("gravity/luna/grgm900c.cof",),
    "MARS50C_FILE": ("gravity/mars/Mars50c.cof",),
    "MGNP180U_FILE": ("gravity/venus/MGNP180U.cof",),
    "EARTH_EXPONENTIAL_FILE": ("atmosphere/earth/EarthExponentialAtmosphereData.txt",),
    "CSSI_FLUX_FILE": (
        "atmosphere/earth/SpaceWeather-All-v1.2.txt",
        "atmosphere/earth/SpaceWeather-v1.2.txt",
    ),
    "SCHATTEN_FILE": ("atmosphere/earth/SchattenPredict.txt",),
    "ICRF_FILE": ("icrf/ICRF_Table.txt",),
}

# GMAT wants a name for these even if the file is absent and never read.
NAMED_THOUGH_ABSENT = ("CSSI_FLUX_FILE", "SCHATTEN_FILE")
