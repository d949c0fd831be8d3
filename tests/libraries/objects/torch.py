"""Tensors and modules of torch."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["OBJECTS", "check"]

DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "complex64", "complex128"),
    *("int64", "int32", "int16", "int8", "uint8", "bool", "float8_e4m3fn"),
)


class Network(torch.nn.Module):
    """A module with parts, a parameter and a buffer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(3, 2)
        self.scale = torch.nn.Parameter(torch.tensor([0.5, 2.0]))
        self.register_buffer("offset", torch.ones(2))

    def forward(self, x: Any) -> Any:
        """Return the output of the network."""
        return torch.relu(self.first(x)) * self.scale + self.offset


def seeded(make: Any) -> Any:
    """Return what is made with the same random numbers each time."""
    torch.manual_seed(0)
    return make()


def shared() -> Any:
    """Return tensors upon one storage."""
    whole = torch.arange(6.0)
    return [whole, whole[2:4], whole.view(2, 3).T]


def tied() -> Any:
    """Return modules that share a parameter."""
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    other.weight = one.weight
    return torch.nn.ModuleList([one, other])


def trained() -> Any:
    """Return a module and its optimiser after a step."""
    module = torch.nn.Linear(2, 1)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    module(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    return [module, optimiser]


def with_gradient() -> Any:
    """Return a tensor with a gradient, which pickle leaves behind as well."""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x**2).sum().backward()
    return x


def conjugated() -> Any:
    """Return a tensor whose conjugation is put off."""
    return torch.tensor([1 + 2j, 3j]).conj()


def channels_last() -> Any:
    """Return images whose channels are next to each other in memory."""
    return torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)


def with_attribute() -> Any:
    """Return a tensor with an attribute."""
    x = torch.tensor([1.0])
    x.unit = "m"
    return x


class Marked(torch.Tensor):
    """A subclass that only has a name of its own."""


OBJECTS: dict[str, Any] = {
    name: lambda name=name: torch.tensor([[0, 1], [1, 0]]).to(getattr(torch, name))
    for name in DTYPES
}
OBJECTS |= {
    "scalar": lambda: torch.tensor(0.1),
    "empty": lambda: torch.zeros(0, 3),
    "nan": lambda: torch.tensor([float("nan"), float("-inf"), -0.0]),
    "strides": lambda: torch.arange(6).reshape(2, 3).T,
    "row of a large tensor": lambda: torch.arange(10_000.0).reshape(100, 100)[3],
    "expanded": lambda: torch.tensor([1.0]).expand(3),
    "gaps": lambda: torch.arange(12).reshape(3, 4)[:, 1],
    "channels last": channels_last,
    "shared": shared,
    "bits shared": lambda: [(x := torch.zeros(3, dtype=torch.bfloat16)), x[1:]],
    "attribute": with_attribute,
    "subclass": lambda: torch.tensor([1.0]).as_subclass(Marked),
    "storage": lambda: torch.tensor([1.5, 2.5]).untyped_storage(),
    "meta": lambda: torch.zeros(2, 3, device="meta"),
    "buffer": lambda: torch.nn.Buffer(torch.tensor([1.0])),
    "layout": lambda: [torch.sparse_coo, torch.channels_last],
    "gradient wanted": lambda: torch.tensor([1.0], requires_grad=True),
    "gradient": with_gradient,
    "conjugated": conjugated,
    "parameter": lambda: torch.nn.Parameter(torch.tensor([1.0]), requires_grad=False),
    "dtype": lambda: [torch.float32, torch.int8],
    "device": lambda: torch.device("cpu"),
    "size": lambda: torch.Size([2, 3]),
    "sparse": lambda: torch.tensor([[0.0, 1.0]]).to_sparse(),
    "sparse rows": lambda: torch.tensor([[0.0, 1.0]]).to_sparse_csr(),
    "quantised": lambda: torch.quantize_per_tensor(torch.tensor([0.5]), 0.1, 3, torch.qint8),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(1)]),
    "module": lambda: seeded(Network),
    "sequence": lambda: seeded(
        lambda: torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.BatchNorm1d(2))
    ),
    "recurrent": lambda: seeded(lambda: torch.nn.LSTM(2, 3)),
    "tied": lambda: seeded(tied),
    "state": lambda: seeded(Network).state_dict(),
    "trained": lambda: seeded(trained),
    "large": lambda: seeded(lambda: torch.randn(50, 50)),
    "generator": lambda: torch.Generator().manual_seed(3),
    "functions": lambda: [torch.relu, torch.nn.functional.gelu, torch.sin],
}


def check(found: Any, wanted: Any) -> None:
    """Compare tensors to the last bit, modules by their state and what they give."""
    assert type(found) is type(wanted)
    if isinstance(wanted, torch.Tensor):
        check_tensor(found, wanted)
    elif isinstance(wanted, torch.nn.Module):
        assert repr(found) == repr(wanted)
        assert found.training == wanted.training
        check(dict(found.state_dict()), dict(wanted.state_dict()))
        if isinstance(wanted, Network):
            assert torch.equal(found(torch.ones(3)), wanted(torch.ones(3)))
        if isinstance(wanted, torch.nn.ModuleList):
            assert found[0].weight is found[1].weight
    elif isinstance(wanted, torch.optim.Optimizer):
        check(found.state_dict(), wanted.state_dict())
    elif isinstance(wanted, torch.UntypedStorage):
        assert list(found) == list(wanted)
    elif isinstance(wanted, torch.Generator):
        assert torch.equal(found.get_state(), wanted.get_state())
    elif isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key, value in wanted.items():
            check(found[key], value)
    elif isinstance(wanted, list):
        for one, other in zip(found, wanted, strict=True):
            check(one, other)
        if len(wanted) == 3 and isinstance(wanted[0], torch.Tensor):
            found[0][2] = 9.0
            assert (found[1][0], found[2][2, 0]) == (9.0, 9.0)
        if len(wanted) == 2 and isinstance(wanted[1], torch.optim.Optimizer):
            assert found[1].param_groups[0]["params"][0] is found[0].weight
    else:
        assert found == wanted


def check_tensor(found: Any, wanted: Any) -> None:
    """Compare two tensors: values, dtype, layout, and what is known of gradients."""
    assert found.is_nested == wanted.is_nested
    if wanted.is_nested:
        for one, other in zip(found.unbind(), wanted.unbind(), strict=True):
            check_tensor(one, other)
        return
    for name in ("dtype", "shape", "layout", "device", "requires_grad", "is_leaf"):
        assert getattr(found, name) == getattr(wanted, name), name
    assert found.is_conj() == wanted.is_conj()
    if wanted.layout is torch.strided:
        assert found.stride() == wanted.stride()
    if wanted.is_quantized:
        assert torch.equal(found.int_repr(), wanted.int_repr())
        assert found.q_scale() == wanted.q_scale()
    elif wanted.is_meta:
        pass
    elif wanted.layout is not torch.strided:
        assert torch.equal(found.to_dense(), wanted.to_dense())
    else:
        bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.int64}
        one, other = (
            t.detach().resolve_conj().contiguous().reshape(-1).view(bits[t.element_size()])
            for t in (found, wanted)
        )
        assert torch.equal(one, other)
    assert found.grad is None
    assert getattr(found, "unit", None) == getattr(wanted, "unit", None)
