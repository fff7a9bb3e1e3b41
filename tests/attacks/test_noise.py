from __future__ import annotations

import torch
from scipy import stats

from robust_core.attacks.noise import Noise, as_noise

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def splitmix(state: int) -> int:
    """The published finaliser in Python's unbounded integers."""
    z = state & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_hash_is_splitmix64() -> None:
    assert splitmix(1234567 + GOLDEN) == 6457827717110365317  # the generator's known first output for this seed
    bits = Noise(5, torch.tensor([0, 3, 9999])).bits(2, 4)
    for row, index in zip(bits.tolist(), (0, 3, 9999), strict=True):
        key = splitmix(splitmix(index * GOLDEN + 5) + GOLDEN * 3)
        assert [value & MASK for value in row] == [splitmix(key + GOLDEN * (j + 1)) for j in range(4)]


def test_uniform_normal_and_signs_have_their_distributions() -> None:
    noise = Noise(0, torch.arange(64))
    assert stats.kstest(noise.uniform(0, 900).flatten().numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(noise.normal(1, 900).flatten().numpy(), "norm").pvalue > 1e-3
    signs = noise.signs(2, 900)
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    assert abs(float(signs.mean())) < 0.02
    assert float(noise.uniform(3, 900).max()) < 1


def test_noise_depends_on_seed_image_draw_and_place_and_on_nothing_else() -> None:
    noise = Noise(1, torch.arange(10))
    for kind in ("uniform", "normal", "signs"):
        whole = getattr(noise, kind)(4, 3, 7, 5)
        parts = [
            getattr(noise.of(torch.tensor(rows)), kind)(4, 3, 7, 5) for rows in ([0], [1, 2, 3, 4], [5, 6, 7, 8, 9])
        ]
        assert torch.equal(torch.cat(parts), whole)
    uniform = noise.uniform(4, 100)
    assert not torch.equal(uniform, noise.uniform(5, 100))
    assert not torch.equal(uniform, Noise(2, torch.arange(10)).uniform(4, 100))
    assert len(uniform.unique()) > 0.99 * uniform.numel()
    assert stats.pearsonr(uniform[0].numpy(), uniform[1].numpy()).pvalue > 1e-3


def test_a_generator_gives_its_next_number_as_seed() -> None:
    x = torch.zeros(4, 1, 2, 2)
    first, again = (as_noise(torch.Generator().manual_seed(3), x) for _ in range(2))
    assert torch.equal(first.uniform(0, 5), again.uniform(0, 5))
    generator = torch.Generator().manual_seed(3)
    assert as_noise(generator, x).seed != as_noise(generator, x).seed
