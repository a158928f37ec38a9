import numpy as np
import pytest
import torch
from scipy.special import lpmv, spherical_jn
from torch.testing import assert_close

from lkm_tune.models.bases import (
    BesselRadial,
    SphericalBessel,
    bessel_tables,
    harmonics,
    kinked_envelope,
    smooth_envelope,
    spherical_bessel,
)


@pytest.mark.parametrize(("ls", "nr"), [(1, 1), (7, 6), (6, 5), (12, 9)])
def test_tables_hold_the_first_zeros(ls, nr):
    zeros, norms = bessel_tables(ls, nr)
    order = np.arange(ls)[:, None]
    grid = np.linspace(0.05, zeros[:, -1] + 0.01, 20_000)  # [grid, Ls]
    changes = (np.diff(np.sign(spherical_jn(order.T, grid)), axis=0) != 0).sum(axis=0)

    assert zeros.shape == norms.shape == (ls, nr)
    assert np.abs(spherical_jn(order, zeros)).max() < 1e-14
    assert (changes == nr).all()  # no zero is missing
    # With these norms the radial functions are orthonormal on the unit ball.
    x = (np.arange(4000) + 0.5) / 4000
    radial = norms[0][:, None] * spherical_jn(0, zeros[0][:, None] * x)
    assert_close(radial * x**2 @ radial.T / 4000, np.eye(nr), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)], ids=str
)
def test_spherical_bessel_is_stable_everywhere(dtype, tolerance):
    x = torch.logspace(-3, 1.6, 3000, dtype=dtype)[:, None, None].expand(-1, 12, 1)
    exact = spherical_jn(np.arange(12), x[..., 0].double().numpy())
    values = spherical_bessel(x)[..., 0].double()

    assert_close(values, torch.tensor(exact), rtol=0, atol=tolerance)
    # Tiny values of j_l are right to the last digits, too.
    small = (x[:, 0, 0] > 0.3) & (x[:, 0, 0] < 2)
    assert_close(values[small], torch.tensor(exact)[small], rtol=20 * tolerance, atol=0)


def test_spherical_bessel_has_the_right_slope():
    x = torch.linspace(0.01, 20, 400, dtype=torch.float64)[:, None, None].repeat(1, 8, 1)
    x.requires_grad_(True)
    (slope,) = torch.autograd.grad(spherical_bessel(x).sum(), x)
    exact = spherical_jn(np.arange(8), x.detach()[..., 0].numpy(), derivative=True)

    assert_close(slope[..., 0], torch.tensor(exact), rtol=1e-10, atol=1e-13)


def test_harmonics_are_scaled_legendre_polynomials():
    cosine = np.linspace(-1, 1, 101)
    degree = np.arange(9)
    exact = np.sqrt((2 * degree + 1) / (4 * np.pi)) * lpmv(0, degree, cosine[:, None])

    assert_close(harmonics(torch.tensor(cosine), 9), torch.tensor(exact), rtol=0, atol=1e-14)
    assert harmonics(torch.tensor(cosine), 1).shape == (101, 1)


@pytest.mark.parametrize("exponent", [5, 6])
@pytest.mark.parametrize(
    ("envelope", "slope_at_end"), [(smooth_envelope, 0.0), (kinked_envelope, -1.0)]
)
def test_envelopes_end_at_the_cutoff(envelope, slope_at_end, exponent):
    x = torch.tensor([1e-3, 1 - 1e-9, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    u = envelope(x, exponent)
    (slope,) = torch.autograd.grad(u.sum(), x)

    assert_close(
        u.detach(), torch.tensor([1e3, 0, 0, 0], dtype=torch.float64), rtol=1e-9, atol=1e-8
    )
    expected = torch.tensor([slope_at_end, 0, 0], dtype=torch.float64)
    assert_close(slope[1:], expected, rtol=0, atol=1e-6)


def test_envelope_polynomials_at_one_half():
    """Computed by hand for p = 5 at x = 1/2."""
    x = torch.tensor(0.5, dtype=torch.float64)
    smooth, kinked = 2 - 28 / 32 + 48 / 64 - 21 / 128, 2 - 21 / 32 + 35 / 64 - 15 / 128
    assert smooth_envelope(x, 5).item() == pytest.approx(smooth, rel=1e-15)
    assert kinked_envelope(x, 5).item() == pytest.approx(kinked, rel=1e-15)


def test_radial_functions_begin_at_multiples_of_pi():
    basis = BesselRadial(3, 4.0, 5, kinked_envelope).double()
    values = basis(torch.tensor([2.0], dtype=torch.float64))
    expected = kinked_envelope(torch.tensor(0.5, dtype=torch.float64), 5) * torch.tensor(
        [[1, 0, -1]]
    )

    assert_close(values.detach(), expected.double(), rtol=1e-6, atol=1e-6)
    assert basis.freq.requires_grad


def test_tables_are_exact_in_any_precision_that_is_asked_for():
    basis = SphericalBessel(7, 6, 5.0, 5, smooth_envelope)
    assert basis.zeros.dtype == torch.get_default_dtype()
    zeros, norms = bessel_tables(7, 6)

    assert_close(basis.half().double().zeros, torch.tensor(zeros), rtol=0, atol=0)
    assert_close(basis.norms, torch.tensor(norms), rtol=0, atol=0)
    assert not basis.state_dict()


def test_features_are_ordered_by_angular_then_radial_number():
    basis = SphericalBessel(3, 2, 5.0, 5, kinked_envelope).double()
    distance = torch.tensor([1.0, 2.0], dtype=torch.float64)
    cosine = torch.tensor([0.3, -0.8, 1.0], dtype=torch.float64)
    features = basis(distance, torch.tensor([1, 0, 1]), cosine)
    zeros, norms = bessel_tables(3, 2)

    assert features.shape == (3, 6)
    angular, radial, x = 2, 1, 2.0 / 5.0
    expected = kinked_envelope(torch.tensor(x), 5) * norms[angular, radial]
    expected *= spherical_jn(angular, zeros[angular, radial] * x)
    expected *= np.sqrt(5 / (4 * np.pi)) * 0.5 * (3 * 0.3**2 - 1)
    assert features[0, angular * 2 + radial].item() == pytest.approx(float(expected), rel=1e-6)
