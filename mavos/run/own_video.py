"""What holds for a video of one's own, unlike for those of a dataset."""

OWN_VIDEO_STAGE = "pre_ytb_dav"  # of the weights, if none is named
# the user's masks count: an object that enters in mid-video is held as one of the first frame is
LATE_MASKS = "model.late_masks=reference"
