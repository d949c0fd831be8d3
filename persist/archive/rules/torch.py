"""Tensors of torch: arrays of numpy over the same memory, so that shared storage stays shared.

A tensor goes where its array goes: into the source as digits, or outside of it if it is large.
Modules of torch are made by their constructors, and their parameters set; other modules and
optimisers reduce by their own protocol.
"""

from __future__ import annotations

import inspect
import operator
import sys
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import Any

from persist.archive.protocol import attributes_of, has_same, reduce_by_protocol
from persist.archive.reduction import Attribute, Import, Reduced, Reduction
from persist.archive.registry import rule
from persist.archive.rules import call_of
from persist.errors import UnsupportedObjectError

__all__: list[str] = []


_TENSORS = ("_parameters", "_buffers")
_call = partial(call_of, "torch")


@rule("torch.Tensor")
def reduce_tensor(tensor: Any) -> Reduced:
    """Reduce a tensor to an array, and to what is known of its gradient.

    As with pickle, the gradient itself is left behind, and a tensor that was computed from others
    does not know them any more.
    """
    made = _values(tensor.detach())
    if tensor.requires_grad:
        made = Reduction(Attribute(made, "requires_grad_"))
    attributes = attributes_of(tensor) or {}
    if attributes.pop("_is_buffer", False):
        kwargs = {} if attributes.pop("persistent", True) else {"persistent": False}
        made = _call("nn.Buffer", made, **kwargs)
    return _with_state(tensor, made, attributes)


@rule("torch.nn.parameter.Parameter")
def reduce_parameter(parameter: Any) -> Reduced:
    """Reduce a parameter to its values and whether it is trained."""
    kwargs = {} if parameter.requires_grad else {"requires_grad": False}
    made = _call("nn.Parameter", _values(parameter.detach()), **kwargs)
    return _with_state(parameter, made)


@rule("torch.Tensor", subclasses=True)
def reduce_subclass(tensor: Any) -> Reduced:
    """Reduce a tensor of a subclass to a plain one, with its attributes."""
    torch: Any = sys.modules["torch"]
    cls, base = type(tensor), torch.Tensor
    names = ("__reduce_ex__", "_reduce_ex_internal", "__setstate__", "__getstate__", "__new__")
    plain = all(getattr(cls, name, None) is getattr(base, name, None) for name in names)
    if not plain or hasattr(tensor, "__tensor_flatten__"):
        return reduce_by_protocol(tensor)
    made = _values(tensor.detach().as_subclass(base))
    made = Reduction(Attribute(made, "as_subclass"), (cls,))
    if tensor.requires_grad:
        made = Reduction(Attribute(made, "requires_grad_"))
    return _with_state(tensor, made)


@rule("torch.nn.modules.module.Module", subclasses=True)
def reduce_module(module: Any) -> Reduced:
    """Reduce a module of torch to a call of its constructor, any other to its state.

    What `Module.__setstate__` adds to a state on its own is left out.
    """
    torch: Any = sys.modules["torch"]
    cls, base = type(module), torch.nn.Module
    if cls.__module__.startswith("torch.nn.modules."):
        made = _constructed(module)
        if made is not None:
            return made
    reduced = reduce_by_protocol(module)
    if not isinstance(reduced, Reduction) or not has_same(cls, base, "__setstate__"):
        return reduced
    if type(reduced.state) is not dict:
        return reduced
    fresh = base.__new__(base)
    fresh.__setstate__({})
    added = vars(fresh)
    state = {
        name: value
        for name, value in reduced.state.items()
        if name not in added or not _is_equal(value, added[name])
    }
    return replace(reduced, state=state)


def _constructed(module: Any) -> Reduction | None:
    """Return the call that makes a module without drawing random numbers, or None."""
    cls = type(module)
    call = _container_call(module) if vars(module)["_modules"] else _layer_call(module)
    if call is None:
        return None
    args, kwargs = call
    without_values = "device" in inspect.signature(cls).parameters
    try:
        made = cls(*args, **kwargs, **({"device": "meta"} if without_values else {}))
    except (TypeError, ValueError, RuntimeError):
        return None
    if not _differs_in_tensors_alone(made, module):
        return None
    slots = {} if module.training else {"training": False}
    for kind in _TENSORS:
        ours, theirs = vars(module)[kind], vars(made)[kind]
        slots |= {name: value for name, value in ours.items() if value is not theirs[name]}
    reduced = _call("nn.utils.skip_init", cls, **kwargs) if without_values else None
    return replace(reduced or Reduction(cls, args, kwargs), slots=slots or None)


def _container_call(module: Any) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    nn: Any = sys.modules["torch"].nn
    parts = vars(module)["_modules"]
    if type(module) is nn.ModuleDict:
        return (dict(parts),), {}
    numbered = list(parts) == [str(i) for i in range(len(parts))]
    if type(module) is nn.ModuleList and numbered:
        return (list(parts.values()),), {}
    if type(module) is nn.Sequential:
        return (tuple(parts.values()) if numbered else (OrderedDict(parts),)), {}
    return None


def _layer_call(module: Any) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Return the arguments of a layer, which are its attributes, as far as these are needed."""
    cls = type(module)
    kwargs: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return None
        if name in ("device", "dtype"):
            continue
        if not hasattr(module, name):
            return None
        value = getattr(module, name)
        if name in vars(module)["_parameters"]:
            value = value is not None
        default = parameter.default
        # A number stands for one in each dimension.
        given = default if isinstance(value, tuple) and set(value) == {default} else value
        if not _is_equal(given, default):
            kwargs[name] = value
    return (), kwargs


def _differs_in_tensors_alone(made: Any, module: Any) -> bool:
    ours, theirs = vars(module), vars(made)
    if list(ours) != list(theirs):
        return False
    for name, value in ours.items():
        other = theirs[name]
        if name in _TENSORS:
            same = [(key, part is None) for key, part in value.items()] == [
                (key, part is None) for key, part in other.items()
            ]
        elif name == "_modules":
            same = list(value) == list(other) and all(
                map(operator.is_, value.values(), other.values())
            )
        else:
            same = name == "training" or _is_equal(value, other)
        if not same:
            return False
    return True


def _is_equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and type(one).__module__ != "torch" and bool(one == other)


def _with_state(tensor: Any, made: Reduction, attributes: Any = None) -> Reduction:
    """Return the reduction with the attributes and the hooks that a user gave to the tensor."""
    own = attributes_of(tensor) if attributes is None else attributes
    hooks = tensor._backward_hooks
    return replace(
        made, attributes=own or None, slots={"_backward_hooks": hooks} if hooks else None
    )


def _values(tensor: Any) -> Reduction:
    torch: Any = sys.modules["torch"]
    if tensor.layout is not torch.strided:
        return _sparse(tensor)
    if tensor.is_quantized:
        return _quantised(tensor)
    if tensor.is_nested:
        return _call("nested.nested_tensor", list(tensor.unbind()))
    device = tensor.device
    if device.type == "meta" or not tensor.numel():
        kwargs = {"dtype": tensor.dtype} | ({} if device.type == "cpu" else {"device": device})
        return _call("empty_strided", tuple(tensor.shape), tensor.stride(), **kwargs)
    if tensor.is_conj():
        return Reduction(Attribute(_values(tensor.conj()), "conj"))
    if tensor.is_neg():
        tensor = tensor.resolve_neg()
    made = _in_memory(tensor.cpu())
    return made if device.type == "cpu" else Reduction(Attribute(made, "to"), (device,))


def _in_memory(tensor: Any) -> Reduction:
    """Return the reduction of a tensor to an array over its memory, and to its strides."""
    order = sorted(range(tensor.dim()), key=lambda axis: -tensor.stride(axis))
    if tensor.is_contiguous():
        return _of_array(tensor)
    if tensor.permute(order).is_contiguous():
        made = _of_array(tensor.permute(order))
        return Reduction(Attribute(made, "permute"), tuple(map(order.index, range(tensor.dim()))))
    # Other strides leave gaps, or read a place twice: what lies between first and last is kept.
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    length = 1 + sum((size - 1) * step for size, step in steps)
    made = _of_array(tensor.as_strided((length,), (1,)))
    return Reduction(Attribute(made, "as_strided"), (tuple(tensor.shape), tensor.stride()))


def _of_array(tensor: Any) -> Reduction:
    torch: Any = sys.modules["torch"]
    try:
        return _call("from_numpy", tensor.numpy())
    except TypeError:
        pass
    # numpy has no such numbers: bfloat16 and the floats of 8 bits are kept as their bits.
    bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    viewed = tensor.view(bits[tensor.element_size()])
    return Reduction(Attribute(_call("from_numpy", viewed.numpy()), "view"), (tensor.dtype,))


def _sparse(tensor: Any) -> Reduction:
    torch: Any = sys.modules["torch"]
    size = tuple(tensor.shape)
    if tensor.layout is torch.sparse_coo:
        kwargs = {"is_coalesced": True} if tensor.is_coalesced() else {}
        return _call("sparse_coo_tensor", tensor._indices(), tensor._values(), size, **kwargs)
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        parts = (tensor.crow_indices(), tensor.col_indices())
    elif tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        parts = (tensor.ccol_indices(), tensor.row_indices())
    else:
        raise UnsupportedObjectError(
            f"a tensor of layout {tensor.layout} has no form as source: store tensor.to_dense()"
        )
    kwargs = {"layout": tensor.layout}
    return _call("sparse_compressed_tensor", *parts, tensor.values(), size, **kwargs)


def _quantised(tensor: Any) -> Reduction:
    torch: Any = sys.modules["torch"]
    if tensor.qscheme() is not torch.per_tensor_affine:
        raise UnsupportedObjectError(
            "a tensor that is quantised per channel has no form as source: "
            "store tensor.dequantize() and its scales"
        )
    args = (tensor.dequantize(), tensor.q_scale(), tensor.q_zero_point(), tensor.dtype)
    return _call("quantize_per_tensor", *args)


@rule("torch.layout", "torch.memory_format", "torch.qscheme")
def reduce_name(obj: Any) -> Reduced:
    """Reduce a layout or a format of memory to its name."""
    return Import("torch", str(obj).rpartition(".")[2])


@rule("torch.storage.UntypedStorage")
def reduce_storage(storage: Any) -> Reduced:
    """Reduce memory to its bytes."""
    torch: Any = sys.modules["torch"]
    data = torch.empty(0, dtype=torch.uint8).set_(storage.cpu())
    return Reduction(Attribute(_call("from_numpy", data.numpy()), "untyped_storage"))


@rule("torch.storage.TypedStorage")
def reduce_typed_storage(storage: Any) -> Reduced:
    """Reduce memory that holds numbers of one type to the memory, and their type."""
    kwargs = {"wrap_storage": storage._untyped_storage, "dtype": storage.dtype, "_internal": True}
    return _call("storage.TypedStorage", **kwargs)
