import pytest
import torch
from torch.testing import assert_close

from lkm_tune.models.blocks import EdgeMLP, ElementRows


def test_edge_mlp_equals_its_dense_form_on_the_concatenation():
    torch.manual_seed(0)
    mlp = EdgeMLP(6).double()
    x, e = torch.randn(5, 6).double(), torch.randn(9, 6).double()
    i, j = torch.randint(0, 5, (2, 9))
    layer = mlp[0][0]
    dense = torch.nn.functional.silu(layer(torch.cat([x[i], x[j], e], dim=1)))

    assert_close(mlp(e)(x, i, j, torch.arange(9)), dense, rtol=1e-12, atol=1e-12)
    assert list(mlp.state_dict()) == ["0.0.weight", "0.0.bias"]


def test_elements_have_the_rows_of_their_order():
    rows = ElementRows((1, 6, 16))
    assert rows(torch.tensor([16, 1, 6, 6])).tolist() == [2, 0, 1, 1]
    with pytest.raises(ValueError, match=r"\(1, 6, 16\), but got Z in \[8, 9\]"):
        rows(torch.tensor([9, 1, 8, 9]))
