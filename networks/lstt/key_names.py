"""How AOT, DeAOT and MAVOS name their weights on disk."""

from mavos.utils.key_names import KeyNames

MCA = "long_term_memory_attention."

NAMES = KeyNames(
    renames=(
        ("encoder_projector.", "projector."),
        ("patch_wise_id_bank.", "id_bank.conv."),
        ("id_norm.", "id_bank.norm."),
        ("LSTT.decoder_norms.0.gn.", "elstt.norm."),
        ("LSTT.decoder_norms.{}.", "elstt.norms.{}."),
        (f"{MCA}{{}}.0.joint_modulation.", "elstt.blocks.{}.mca.key."),
        (f"{MCA}{{}}.1.joint_modulation.", "elstt.blocks.{}.mca.value."),
        (f"{MCA}{{}}.3.joint_modulation.", "elstt.blocks.{}.mca.id_value."),
        ("LSTT.layers.{}.linear_QV.", "elstt.blocks.{}.to_key_value."),
        ("LSTT.layers.{}.linear_Q.", "elstt.blocks.{}.to_key."),
        ("LSTT.layers.{}.linear_V.", "elstt.blocks.{}.to_value."),
        ("LSTT.layers.{}.linear1.", "elstt.blocks.{}.feed_forward.linear1."),
        ("LSTT.layers.{}.activation.", "elstt.blocks.{}.feed_forward.activation."),
        ("LSTT.layers.{}.linear2.", "elstt.blocks.{}.feed_forward.linear2."),
        ("LSTT.layers.{}.linear_U.", "elstt.blocks.{}.to_gate."),
        ("LSTT.layers.{}.linear_ID_V.", "elstt.blocks.{}.to_id_value."),
        ("LSTT.layers.{}.linear_ID_U.", "elstt.blocks.{}.to_id_gate."),
        ("LSTT.layers.{}.long_term_attn.", "elstt.blocks.{}.long_term."),
        ("LSTT.layers.{}.short_term_attn.", "elstt.blocks.{}.short_term."),
        ("LSTT.layers.{}.self_attn.", "elstt.blocks.{}.self_propagation."),
        ("LSTT.layers.{}.", "elstt.blocks.{}."),
    ),
    anew=(MCA,),  # training of MAVOS starts from DeAOT's weights
)

# By which a user's file is recognised that does not fit: the first model all of whose prefixes the
# file has.
_LARGE = (
    ("mavos", (MCA,)),
    ("aotl", ("LSTT.layers.0.linear_Q.",)),
    ("deaotl", ("LSTT.",)),
    ("mavos", ()),  # an encoder alone
)
_ALL_SIZES = (
    ("mavos", (MCA,)),
    ("aotl", ("LSTT.layers.0.linear_Q.", "LSTT.layers.2.")),
    ("aots", ("LSTT.layers.0.linear_Q.", "LSTT.layers.1.")),
    ("aott", ("LSTT.layers.0.linear_Q.",)),
    ("deaotl", ("LSTT.layers.2.",)),
    ("deaots", ("LSTT.layers.1.",)),
    ("deaott", ("LSTT.",)),
    ("mavos", ()),
)
MARKS = (
    ("mavos_nano", ("encoder.stem.",)),
    *(
        (prefix + name, (encoder, *marks))
        for encoder, prefix, networks in (
            ("encoder.layer3.", "r50_", _LARGE),
            ("encoder.patch_embed.", "swinb_", _LARGE),
            ("encoder.features.", "", _ALL_SIZES),
        )
        for name, marks in networks
    ),
)
