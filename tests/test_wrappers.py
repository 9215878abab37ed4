"""Groups of objects and augmented views behind the same four verbs."""

import pytest
import torch

from mavos import configs
from mavos.networks import build_model
from mavos.networks.segmenter import CopyPrevious, hard_labels, one_hot
from mavos.networks.wrappers import ObjectGroups, TestTimeAugmentation, merge_groups

SIZE = (65, 81)


@pytest.fixture(scope="module")
def nano():
    torch.manual_seed(0)
    return build_model(configs.load("mavos_nano", overrides=["model.max_objects=3"]).model).eval()


def stripes(count: int) -> torch.Tensor:
    """Labels (1, H, W): vertical stripes 0, 1, …, count."""
    return (torch.arange(SIZE[1]) * (count + 1) // SIZE[1]).expand(1, *SIZE).long()


def run(model, labels, frames=4):
    torch.manual_seed(1)
    images = [torch.randn(1, 3, *SIZE) for _ in range(frames)]
    count = int(labels.max())
    memory = model.start(model.encode(images[0]), one_hot(labels, count))
    outs = []
    for image in images[1:]:
        out = model.segment(model.encode(image), memory, SIZE)
        memory = model.memorize(out, one_hot(hard_labels(out.logits), count), memory)
        outs.append(out.logits)
    return torch.stack(outs)


@torch.inference_mode()
def test_one_group_equals_no_group(nano):
    torch.testing.assert_close(run(ObjectGroups(nano), stripes(3)), run(nano, stripes(3)))


@pytest.mark.parametrize("count, groups", [(3, 1), (4, 2), (7, 3)])
@torch.inference_mode()
def test_any_number_of_objects(nano, count: int, groups: int):
    model = ObjectGroups(nano)
    labels = stripes(count)
    memory = model.start(model.encode(torch.randn(1, 3, *SIZE)), one_hot(labels, count))
    assert len(memory) == groups
    assert run(model, labels).shape[2] == 1 + count


def test_groups_see_the_others_as_background():
    copying = CopyPrevious()
    copying.max_objects = 2
    model = ObjectGroups(copying)
    first, second = model.split(one_hot(stripes(3), 3))
    assert torch.equal(hard_labels(first.float()), stripes(3) * (stripes(3) <= 2))
    assert torch.equal(hard_labels(second.float()), (stripes(3) == 3).long())


@torch.inference_mode()
def test_objects_that_enter_open_a_group(nano):
    model = ObjectGroups(nano)
    feats = model.encode(torch.randn(1, 3, *SIZE))
    memory = model.start(feats, one_hot(stripes(3), 3))
    out = model.segment(feats, memory, SIZE)
    memory = model.memorize(out, one_hot(stripes(4), 4), memory, new_objects=True)
    assert [m.num_objects for m in memory] == [3, 1]
    assert model.segment(feats, memory, SIZE).logits.shape[1] == 5


def test_merging_is_background_only_where_all_agree():
    sure, unsure = torch.tensor([8.0, -8.0]), torch.tensor([-8.0, 8.0])
    logits = torch.stack([sure, unsure, sure], dim=-1)[None, :, None]  # object in the middle only
    nothing = torch.stack([sure, sure, sure], dim=-1)[None, :, None]
    assert hard_labels(merge_groups([logits, nothing]))[0, 0].tolist() == [0, 1, 0]
    assert hard_labels(merge_groups([nothing, logits]))[0, 0].tolist() == [0, 2, 0]


@torch.inference_mode()
def test_one_view_equals_none(nano):
    plain, augmented = run(nano, stripes(2)), run(TestTimeAugmentation(nano), stripes(2))
    torch.testing.assert_close(plain.softmax(2), augmented.softmax(2))


@torch.inference_mode()
def test_flipping_the_video_flips_the_result(nano):
    """With ``flip`` a video and its mirror image see the same two views."""
    model = TestTimeAugmentation(ObjectGroups(nano), flip=True)
    torch.manual_seed(2)
    image, labels = torch.randn(1, 3, *SIZE), stripes(4)

    def probability(image, labels):
        memory = model.start(model.encode(image), one_hot(labels, 4))
        return model.segment(model.encode(image), memory, SIZE).logits.softmax(1)

    straight, mirrored = probability(image, labels), probability(image.flip(-1), labels.flip(-1))
    torch.testing.assert_close(straight, mirrored.flip(-1))


@torch.inference_mode()
def test_scales_have_memories_of_their_own(nano):
    model = TestTimeAugmentation(nano, flip=True)
    images = [torch.randn(1, 3, 33, 49), torch.randn(1, 3, *SIZE)]
    feats = model.encode(images)
    memory = model.start(feats, one_hot(stripes(2), 2))
    assert len(memory) == 4
    out = model.segment(feats, memory, (50, 60))
    assert out.logits.shape == (1, 3, 50, 60)
    torch.testing.assert_close(out.logits.exp().sum(1), torch.ones(1, 50, 60))
