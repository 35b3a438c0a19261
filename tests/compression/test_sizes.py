"""The size formula, against the file that the authors of Deep Compression released."""

from lightning_modules.compression.sizes import fixed_length_bytes
from tests.nets.against import paper

FILE = paper("derived_checks")["squeezenet_compressed_file"]
RELEASED = 675_763  # bytes, conf/paper/derived_checks.yaml: basis


def released(code_bits: int) -> int:
    return fixed_length_bytes(FILE["layers"], FILE["stored_weights"], FILE["biases_total"], code_bits, index_bits=4)


def test_the_released_squeezenet_within_a_byte_a_layer() -> None:
    """What fills up a byte at the end of a layer's indices is not in the listed sums: half a byte a layer at most."""
    assert f"{RELEASED:,} bytes" in FILE["basis"]
    assert 0 <= RELEASED - released(code_bits=8) <= FILE["layers"] / 2


def test_at_six_bits() -> None:
    assert released(code_bits=6) == FILE["fixed_length_bytes_at_6_bits"]


def test_what_is_listed_adds_up() -> None:
    assert FILE["stored_weights"] == FILE["nonzero_weights"] + FILE["zero_fillers"]


def test_each_part_is_counted() -> None:
    assert fixed_length_bytes(layers=1, stored=0, biases=0, code_bits=3, index_bits=4) == 4 + 8 * 4
    assert fixed_length_bytes(layers=1, stored=9, biases=2, code_bits=3, index_bits=4) == 4 + (8 + 2) * 4 + 8
