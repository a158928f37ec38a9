"""Physical properties of every model, on real molecules."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from lkm_tune.models import energy_and_forces, model_settings

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def energy(model, batch):
    with torch.no_grad():
        return model(batch).prediction.sum().item()


def test_a_batch_gives_what_its_molecules_give_alone(name, make_model, make_batch, molecules):
    model = make_model(name, outputs=2)
    together = model(make_batch(list(molecules.values())))
    alone = [model(make_batch([molecule])) for molecule in molecules.values()]

    assert_close(together.prediction, torch.cat([out.prediction for out in alone]), **EXACT)
    for layer, parts in zip(
        together.layers, zip(*(o.layers for o in alone), strict=True), strict=True
    ):
        assert_close(layer, torch.cat(parts), **EXACT)


def test_order_of_atoms_does_not_matter(name, make_model, make_batch, molecules):
    model = make_model(name)
    z, pos = molecules["formaldehyde"]
    order = [2, 0, 3, 1]
    before = model(make_batch([(z, pos)]))
    after = model(make_batch([([z[k] for k in order], pos[order])]))

    assert_close(after.prediction, before.prediction, **EXACT)
    for old, new in zip(before.layers, after.layers, strict=True):
        assert_close(new, old[order], **EXACT)


@pytest.mark.parametrize("determinant", [1, -1], ids=["rotation", "reflection"])
def test_rigid_motion_changes_nothing_but_turns_forces(
    name, determinant, make_model, make_batch, molecules
):
    model = make_model(name)
    matrix, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    matrix *= determinant * np.sign(np.linalg.det(matrix))
    still = make_batch(list(molecules.values()))
    moved = make_batch([(z, pos @ matrix.T + [3, -2, 1]) for z, pos in molecules.values()])

    assert_close(model(moved).prediction, model(still).prediction, **EXACT)
    if model.uses_positions:
        turned = energy_and_forces(model, still)[1] @ torch.tensor(matrix).T
        assert_close(energy_and_forces(model, moved)[1], turned, rtol=1e-8, atol=1e-8)


def bent(water):
    """Water with another angle; only its two bonds are shorter than 1.5 Å."""
    z, pos = water
    pos = pos.copy()
    pos[2] = pos[0] + [0, -np.linalg.norm(pos[2] - pos[0]), 0]
    return z, pos


def test_elements_count(name, make_model, make_batch, molecules):
    model = make_model(name)
    z, pos = molecules["water"]
    value = energy(model, make_batch([(z, pos)]))
    assert abs(energy(model, make_batch([([9, 1, 1], pos)])) - value) > 1e-4


def test_angles_count(published_name, make_model, make_batch, molecules):
    model = make_model(published_name, cutoff=1.5)
    energies = [
        energy(model, make_batch([water], cutoff=1.5))
        for water in (molecules["water"], bent(molecules["water"]))
    ]
    assert abs(energies[1] - energies[0]) > 1e-4


def test_a_model_without_positions_sees_the_graph_alone(name, make_model, make_batch, molecules):
    model = make_model(name, cutoff=1.5)
    batches = [
        make_batch([water], cutoff=1.5) for water in (molecules["water"], bent(molecules["water"]))
    ]
    batches[0].pos.requires_grad_(True)
    outputs = [model(batch).prediction for batch in batches]
    same = torch.equal(outputs[0], outputs[1])
    (gradient,) = torch.autograd.grad(outputs[0].sum(), batches[0].pos, allow_unused=True)
    assert (gradient is None) == (not model.uses_positions)
    assert same or model.uses_positions


@pytest.mark.parametrize("molecule", ["formaldehyde", "hydrogen cyanide"])
def test_forces_are_the_slope_of_the_energy(
    spatial_name, molecule, make_model, make_batch, molecules
):
    model = make_model(spatial_name)
    z, pos = molecules[molecule]
    # The step suits the third derivative of a random network.
    step, slopes = 1e-6, np.zeros_like(pos)
    for place in np.ndindex(pos.shape):
        energies = []
        for sign in (1, -1):
            shifted = pos.copy()
            shifted[place] += sign * step
            energies.append(energy(model, make_batch([(z, shifted)])))
        slopes[place] = (energies[0] - energies[1]) / (2 * step)

    _, forces = energy_and_forces(model, make_batch([(z, pos)]))
    assert_close(forces, -torch.tensor(slopes), rtol=1e-6, atol=1e-7)


def test_forces_are_refused_where_there_are_none(make_model, make_batch, molecules):
    batch = make_batch([molecules["water"]])
    with pytest.raises(ValueError, match="uses positions, but GCN does not"):
        energy_and_forces(make_model("gcn"), batch)
    with pytest.raises(ValueError, match="one energy per molecule, but the model predicts 2"):
        energy_and_forces(make_model("pamnet", outputs=2), batch)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_forces_can_be_trained_on(spatial_name, dtype, make_model, make_batch, molecules):
    model = make_model(spatial_name).to(dtype)
    batch = make_batch(list(molecules.values())).to(dtype=dtype)
    _, forces = energy_and_forces(model, batch, trainable=True)
    forces.square().sum().backward()

    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(gradients) > 10
    assert all(torch.isfinite(g).all() for g in gradients)
    assert sum(float(g.square().sum()) for g in gradients) > 0


def test_gradient_of_a_loss_on_forces_is_its_slope(spatial_name, make_model, make_batch, molecules):
    model = make_model(spatial_name)
    batch = make_batch([molecules["formaldehyde"], molecules["water"]])
    parameters = [p for p in model.parameters() if p.requires_grad]
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=generator).double() for p in parameters]

    def loss(trainable=False):
        return energy_and_forces(model, batch, trainable=trainable)[1].square().sum()

    loss(trainable=True).backward()
    slope = sum((p.grad * d).sum() for p, d in zip(parameters, direction, strict=True)
                if p.grad is not None)  # fmt: skip
    sides = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += step * d
        sides.append(loss().item())
    assert slope.item() == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-5)


def jump_at_cutoff(model, make_batch, molecules):
    """Change of the energy while an atom near water crosses the cutoff by 2e-7 Å."""
    z, pos = molecules["water"]
    energies = []
    for side in (-1e-7, 1e-7):
        # The oxygen is the nearest atom, so exactly one pair crosses.
        stranger = pos[0] + [0, 0, model.cutoff + side]
        energies.append(energy(model, make_batch([([*z, 6], np.vstack([pos, stranger]))])))
    return abs(energies[1] - energies[0])


def test_dimenetpp_is_continuous_at_the_cutoff(make_model, make_batch, molecules):
    assert jump_at_cutoff(make_model("dimenet++"), make_batch, molecules) < 1e-10


@pytest.mark.parametrize(("name", "mlp"), [("mxmnet", "rbf_g_mlp"), ("pamnet", "mlp_rbf_g")])
def test_multiplex_nets_jump_at_the_cutoff_by_their_bias_alone(
    name, mlp, make_model, make_batch, molecules
):
    """As published: the radial functions end at 0 (with a kink), but then pass a biased map."""
    model = make_model(name)
    assert jump_at_cutoff(model, make_batch, molecules) > 1e-5
    torch.nn.init.zeros_(model.get_parameter(f"{mlp}.0.0.bias"))
    assert jump_at_cutoff(model, make_batch, molecules) < 1e-6


def test_an_atom_alone_and_one_without_bonds_are_molecules_too(name, make_model, make_batch):
    model = make_model(name)
    alone = ([6], np.zeros((1, 3)))
    apart = ([1, 1], np.array([[0, 0, 0], [0, 0, 3.0]]))
    output = model(make_batch([alone, apart, alone]))

    assert torch.isfinite(output.prediction).all()
    assert_close(output.prediction[0], output.prediction[2], **EXACT)
    assert model(make_batch([alone])).prediction.shape == (1, 1)


def test_a_batch_of_another_cutoff_gives_the_same(name, make_model, make_batch, molecules):
    radius = {"graph": "radius"} if "graph" in model_settings(name) else {}
    model = make_model(name, cutoff=2.5, **radius)
    pair = [molecules["benzene"], molecules["methane"]]
    right, expected = make_batch(pair, cutoff=2.5), None
    for cutoff in (2.5, 4.0, 1.2):
        batch = make_batch(pair, cutoff=cutoff)
        assert (batch.edge_index.shape == right.edge_index.shape) is (cutoff == 2.5)
        prediction = model(batch).prediction
        expected = prediction if expected is None else expected
        assert_close(prediction, expected, **EXACT)


def test_single_precision_is_enough(name, make_model, make_batch, molecules):
    model, batch = make_model(name), make_batch(list(molecules.values()))
    exact = model(batch).prediction
    rounded = model.float()(batch.to(dtype=torch.float32)).prediction
    assert_close(rounded.double(), exact, rtol=0, atol=1e-5 * float(exact.detach().abs().max()))


def test_the_same_run_gives_the_same_bits(name, make_model, make_batch, molecules):
    def run():
        model = make_model(name)
        output = model(make_batch(list(molecules.values())))
        (output.prediction.sum() + sum(x.square().mean() for x in output.layers)).backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        return [output.prediction, *output.layers, *gradients]

    assert all(torch.equal(a, b) for a, b in zip(run(), run(), strict=True))


def test_one_batch_can_be_learnt_by_heart(name, make_model, make_batch, molecules):
    model = make_model(name, outputs=2).float()
    batch = make_batch(list(molecules.values())).to(dtype=torch.float32)
    target = torch.randn(len(molecules), 2, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        loss = (model(batch).prediction - target).abs().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert min(losses[-20:]) < 0.1


def test_rows_of_a_batch_do_not_share_gradients(spatial_name, make_model, make_batch, molecules):
    model = make_model(spatial_name)
    batch = make_batch([molecules["water"], molecules["methane"]])
    batch = replace(batch, pos=batch.pos.requires_grad_(True))
    model(batch).prediction[0].sum().backward()

    assert torch.any(batch.pos.grad[:3] != 0)
    assert torch.all(batch.pos.grad[3:] == 0)
