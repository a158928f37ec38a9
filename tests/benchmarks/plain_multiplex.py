"""Direct transcriptions of MXMNet and PAMNet, the baseline for the package's models.

Nothing is split or reused: every affine map of [x_i | x_j | e] acts on a concatenation, on every
directed edge and in every propagation. The parameters have their published names. Only the index
sets (edges and their pairs) and the table of Bessel zeros come from the package.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.utils import scatter

from lkm_tune.graphs import MoleculeBatch, _pairs_sharing, two_hop_pairs
from lkm_tune.models import ModelOutput
from lkm_tune.models.bases import bessel_tables

ELEMENTS = (1, 6, 7, 8, 9)


def mlp(*sizes: int) -> nn.Sequential:
    return nn.Sequential(*(nn.Sequential(nn.Linear(p, q), nn.SiLU()) for p, q in pairwise(sizes)))


class Residual(nn.Module):
    def __init__(self, d: int):
        super().__init__()
        self.mlp = mlp(d, d, d)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(x)


def envelope(x: Tensor, p: int) -> Tensor:
    a, b, c = -(p + 1) * (p + 2) / 2, p * (p + 2), -p * (p + 1) / 2
    u = 1 / x + a * x**p + b * x ** (p + 1) + c * x ** (p + 2)
    return u * (x < 1).to(x.dtype)


class Radial(nn.Module):
    def __init__(self, count: int, cutoff: float, p: int):
        super().__init__()
        self.cutoff, self.p = cutoff, p
        self.freq = nn.Parameter(math.pi * torch.arange(1, count + 1))

    def forward(self, d: Tensor) -> Tensor:
        x = (d / self.cutoff).unsqueeze(-1)
        return envelope(x, self.p) * (self.freq * x).sin()


class Spherical:
    def __init__(self, num_spherical: int, num_radial: int, cutoff: float, p: int):
        self.zeros, self.norms = map(torch.tensor, bessel_tables(num_spherical, num_radial))
        self.cutoff, self.p = cutoff, p

    def __call__(self, d: Tensor, theta: Tensor, f: Tensor) -> Tensor:
        x = d / self.cutoff
        columns = []
        for order in range(len(self.zeros)):
            zeros, norms = self.zeros[order].to(d), self.norms[order].to(d)
            bessel = norms * spherical_bessel(order, zeros * x.unsqueeze(-1))
            radial = envelope(x, self.p).unsqueeze(-1) * bessel
            columns.append(radial[f] * harmonic(order, theta).unsqueeze(-1))
        return torch.cat(columns, dim=-1)


def spherical_bessel(order: int, x: Tensor) -> Tensor:
    before, current = x.cos() / x, x.sin() / x
    for n in range(order):
        before, current = current, (2 * n + 1) / x * current - before
    return current


def harmonic(order: int, theta: Tensor) -> Tensor:
    z = theta.cos()
    before, current = torch.zeros_like(z), torch.ones_like(z)
    for n in range(order):
        before, current = current, ((2 * n + 1) * z * current - n * before) / (n + 1)
    return math.sqrt((2 * order + 1) / (4 * math.pi)) * current


def angle(u: Tensor, v: Tensor) -> Tensor:
    return torch.atan2(torch.linalg.cross(u, v, dim=-1).norm(dim=-1), (u * v).sum(dim=-1))


class PlainNet(nn.Module):
    """Settings, embedding and graphs of both networks."""

    def __init__(self, dim, cutoff, cutoff_local, p, num_rbf, num_spherical, num_radial):
        super().__init__()
        self.cutoff = cutoff
        self.embeddings = nn.Parameter(torch.empty(5, dim).uniform_(-math.sqrt(3), math.sqrt(3)))
        self.rbf_g = Radial(num_rbf, cutoff, p)
        self.rbf_l = Radial(num_rbf, cutoff_local, p)
        self.sbf = Spherical(num_spherical, num_radial, cutoff_local, p)

    def embed(self, batch: MoleculeBatch) -> Tensor:
        kind = torch.zeros(10, dtype=torch.int64)
        kind[list(ELEMENTS)] = torch.arange(5)
        return self.embeddings[kind[batch.z]]

    def bases(self, batch: MoleculeBatch):
        """Global and local radial functions; two-hop and one-hop (e, f, spherical functions)."""
        pos, (s, t), bonds = batch.pos, batch.edge_index, batch.bond_index
        rbf_g = self.rbf_g((pos[t] - pos[s]).norm(dim=-1))
        s, t = bonds
        distance = (pos[t] - pos[s]).norm(dim=-1)
        e, f = two_hop_pairs(bonds, batch.n_atoms)
        theta = angle(pos[t[e]] - pos[s[e]], pos[t[f]] - pos[s[f]])
        two_hop = (e, f, self.sbf(distance, theta, f))
        e, f = _pairs_sharing(t, t, batch.n_atoms)
        theta = angle(pos[t[e]] - pos[s[e]], pos[s[f]] - pos[t[f]])
        return rbf_g, self.rbf_l(distance), two_hop, (e, f, self.sbf(distance, theta, f))


def over_atoms(values: Tensor, batch: MoleculeBatch) -> Tensor:
    return scatter(values, batch.graph_index, dim=0, dim_size=batch.n_graphs, reduce="sum")


class PlainMXMNet(PlainNet):
    def __init__(self, dim=128, n_layer=6, cutoff=5.0, cutoff_local=5.0, envelope_exponent=5,
                 num_rbf=16, num_spherical=7, num_radial=6):  # fmt: skip
        super().__init__(dim, cutoff, cutoff_local, envelope_exponent, num_rbf, num_spherical,
                         num_radial)  # fmt: skip
        self.rbf_g_mlp, self.rbf_l_mlp = mlp(num_rbf, dim), mlp(num_rbf, dim)
        self.sbf_1_mlp = mlp(num_spherical * num_radial, dim)
        self.sbf_2_mlp = mlp(num_spherical * num_radial, dim)
        self.global_layers = nn.ModuleList(MXMGlobal(dim) for _ in range(n_layer))
        self.local_layers = nn.ModuleList(MXMLocal(dim) for _ in range(n_layer))

    def forward(self, batch: MoleculeBatch) -> ModelOutput:
        rbf_g, rbf_l, (e2, f2, sbf2), (e1, f1, sbf1) = self.bases(batch)
        h, g, q = self.embed(batch), self.rbf_g_mlp(rbf_g), self.rbf_l_mlp(rbf_l)
        two_hop, one_hop = (e2, f2, self.sbf_1_mlp(sbf2)), (e1, f1, self.sbf_2_mlp(sbf1))
        layers, total = [], 0
        for global_layer, local_layer in zip(self.global_layers, self.local_layers, strict=True):
            h = global_layer(h, batch.edge_index, g)
            layers.append(h)
            h, y = local_layer(h, batch.bond_index, q, two_hop, one_hop)
            layers.append(h)
            total = total + y
        return ModelOutput(over_atoms(total, batch), layers)


class MXMGlobal(nn.Module):
    def __init__(self, d: int):
        super().__init__()
        self.h_mlp, self.mlp, self.x_edge_mlp = mlp(d, d), mlp(d, d), mlp(3 * d, d)
        self.res1, self.res2, self.res3 = Residual(d), Residual(d), Residual(d)
        self.linear = nn.Linear(d, d, bias=False)

    def forward(self, h: Tensor, edge_index: Tensor, g: Tensor) -> Tensor:
        v = self.propagate(self.h_mlp(h), edge_index, g)
        v = self.mlp(self.res1(v)) + h
        return self.propagate(self.res3(self.res2(v)), edge_index, g)

    def propagate(self, v: Tensor, edge_index: Tensor, g: Tensor) -> Tensor:
        b, a = edge_index
        message = self.linear(g) * self.x_edge_mlp(torch.cat([v[a], v[b], g], dim=-1))
        return v + scatter(message, a, dim=0, dim_size=len(v), reduce="sum")


class MXMLocal(nn.Module):
    def __init__(self, d: int):
        super().__init__()
        self.h_mlp, self.mlp = mlp(d, d), mlp(d, d)
        self.mlp_kj, self.mlp_ji_1 = mlp(3 * d, d), mlp(3 * d, d)
        self.mlp_ji_2, self.mlp_jj = mlp(d, d), mlp(d, d)
        self.mlp_sbf1, self.mlp_sbf2 = mlp(d, d, d), mlp(d, d, d)
        self.lin_rbf1, self.lin_rbf2 = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
        self.res1, self.res2, self.res3 = Residual(d), Residual(d), Residual(d)
        self.lin_rbf_out = nn.Linear(d, d, bias=False)
        self.y_mlp, self.y_W = mlp(d, d, d, d), nn.Linear(d, 1)

    def forward(self, h, bonds, q, two_hop, one_hop):
        v, (s, t) = self.h_mlp(h), bonds
        m = torch.cat([v[t], v[s], q], dim=-1)
        n_bonds = len(q)
        e, f, features = two_hop
        terms = (self.mlp_kj(m) * self.lin_rbf1(q))[f] * self.mlp_sbf1(features)
        m1 = self.mlp_ji_1(m) + scatter(terms, e, dim=0, dim_size=n_bonds, reduce="sum")
        e, f, features = one_hop
        terms = (self.mlp_jj(m1) * self.lin_rbf2(q))[f] * self.mlp_sbf2(features)
        m2 = self.mlp_ji_2(m1) + scatter(terms, e, dim=0, dim_size=n_bonds, reduce="sum")
        w = scatter(self.lin_rbf_out(q) * m2, t, dim=0, dim_size=len(h), reduce="sum")
        w = self.mlp(self.res1(w)) + h
        w = self.res3(self.res2(w))
        return w, self.y_W(self.y_mlp(w))


class PlainPAMNet(PlainNet):
    def __init__(self, dim=128, n_layer=6, cutoff_g=5.0, cutoff_l=5.0, envelope_exponent=5,
                 num_rbf=16, num_spherical=7, num_radial=6):  # fmt: skip
        super().__init__(dim, cutoff_g, cutoff_l, envelope_exponent, num_rbf, num_spherical,
                         num_radial)  # fmt: skip
        self.mlp_rbf_g, self.mlp_rbf_l = mlp(num_rbf, dim), mlp(num_rbf, dim)
        self.mlp_sbf1 = mlp(num_spherical * num_radial, dim)
        self.mlp_sbf2 = mlp(num_spherical * num_radial, dim)
        self.global_layer = nn.ModuleList(PAMGlobal(dim) for _ in range(n_layer))
        self.local_layer = nn.ModuleList(PAMLocal(dim) for _ in range(n_layer))

    def forward(self, batch: MoleculeBatch) -> ModelOutput:
        rbf_g, rbf_l, (e2, f2, sbf2), (e1, f1, sbf1) = self.bases(batch)
        h, g, q = self.embed(batch), self.mlp_rbf_g(rbf_g), self.mlp_rbf_l(rbf_l)
        two_hop, one_hop = (e2, f2, self.mlp_sbf2(sbf2)), (e1, f1, self.mlp_sbf1(sbf1))
        layers, total = [], 0
        for global_layer, local_layer in zip(self.global_layer, self.local_layer, strict=True):
            h, value_g, score_g = global_layer(h, batch.edge_index, g)
            layers.append(h)
            h, value_l, score_l = local_layer(h, batch.bond_index, q, two_hop, one_hop)
            layers.append(h)
            score = functional.leaky_relu(torch.cat([score_g, score_l], dim=-1), 0.2)
            value = torch.cat([value_g, value_l], dim=-1)
            total = total + (score.softmax(dim=-1) * value).sum(dim=-1, keepdim=True)
        return ModelOutput(over_atoms(total, batch), layers)


class PAMHead(nn.Module):
    def __init__(self, d: int):
        super().__init__()
        self.mlp_x1, self.mlp_x2, self.mlp_out = mlp(d, d), mlp(d, d), mlp(d, d, d, d)
        self.res1, self.res2, self.res3 = Residual(d), Residual(d), Residual(d)
        self.W_out = nn.Linear(d, 1)
        self.W = nn.Parameter(nn.init.xavier_uniform_(torch.empty(d, 1)))

    def finish(self, v: Tensor, h: Tensor):
        v = self.res1(self.mlp_x2(v)) + h
        v = self.res3(self.res2(v))
        out = self.mlp_out(v)
        return v, self.W_out(out), out @ self.W


class PAMGlobal(PAMHead):
    def __init__(self, d: int):
        super().__init__(d)
        self.mlp_m, self.W_edge_attr = mlp(3 * d, d), nn.Linear(d, d, bias=False)

    def forward(self, h: Tensor, edge_index: Tensor, g: Tensor):
        v, (b, a) = self.mlp_x1(h), edge_index
        message = self.mlp_m(torch.cat([v[a], v[b], g], dim=-1)) * self.W_edge_attr(g)
        return self.finish(v + scatter(message, a, dim=0, dim_size=len(v), reduce="sum"), h)


class PAMLocal(PAMHead):
    def __init__(self, d: int):
        super().__init__(d)
        self.mlp_m_ji, self.mlp_m_kj, self.mlp_sbf = mlp(3 * d, d), mlp(3 * d, d), mlp(d, d, d)
        self.lin_rbf, self.lin_rbf_out = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)

    def forward(self, h, bonds, q, two_hop, one_hop):
        v, (s, t) = self.mlp_x1(h), bonds
        m = torch.cat([v[t], v[s], q], dim=-1)
        n = self.mlp_m_kj(m) * self.lin_rbf(q)
        total = self.mlp_m_ji(m)
        for e, f, features in (two_hop, one_hop):
            terms = n[f] * self.mlp_sbf(features)
            total = total + scatter(terms, e, dim=0, dim_size=len(q), reduce="sum")
        arriving = self.lin_rbf_out(q) * total
        return self.finish(v + scatter(arriving, t, dim=0, dim_size=len(v), reduce="sum"), h)
