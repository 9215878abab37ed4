"""Statistics of ImageNet, by which every network input is normalised; RGB in 0..1."""

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
