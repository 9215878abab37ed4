"""Training stages by name: which data a checkpoint has seen. Paper section 4.1."""

STAGES = {
    "pre": "static images turned into clips",
    "pre_ytb": "then YouTube-VOS",
    "pre_dav": "then DAVIS 2017",
    "pre_ytb_dav": "then YouTube-VOS and DAVIS 2017",
    "pre_ytb_dav_long": "then longer gaps: the stage for Long-Time Video",
    "pre_ytb_dav_long_lvos": "then LVOS",
}
