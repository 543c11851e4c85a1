"""Sixteen float32 or eight float64 values that kernels compute with at once.

The compiler vectorises a loop only if it can prove, or check at run time, that its arrays do not overlap, and gives
up where a loop touches many. Code written with these says so itself, and keeps running values in registers. Every
operation is the IEEE one, lane by lane: the bits are those of the plain loop.

`fused` multiplies and adds with one rounding, as IEEE 754 defines it: the same bits on every machine. A processor
without the instruction calls the C library's fmaf for every value instead, which is right and very slow.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic as _intrinsic
from numba.extending import overload, register_model
from numba.np import arrayobj

intrinsic: Any = _intrinsic
"""Numba's, whose functions take one argument less than they are written with."""

WIDTH, WIDE = 16, 8
"""Values of float32, and of float64, in one vector."""

make_array: Any = arrayobj.make_array
function_of: Any = cgutils.get_or_insert_function


class _Lanes(types.Type):
    """One vector; `whole` is the integer type of a value's size, `sign` its sign bit."""

    def __init__(self, name: str, item: Any, vector: Any, bits: int) -> None:
        super().__init__(name)
        self.item, self.vector, self.bytes = item, vector, bits // 8
        self.whole = ir.VectorType(ir.IntType(bits), vector.count)
        self.sign = 1 << (bits - 1)


_lanes = _Lanes("f4x16", types.float32, ir.VectorType(ir.FloatType(), WIDTH), 32)
_wide = _Lanes("f8x8", types.float64, ir.VectorType(ir.DoubleType(), WIDE), 64)


@register_model(_Lanes)
class _LanesModel(PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.vector)  # type: ignore[no-untyped-call]


def _lanes_of(item: Any) -> Any:
    return _wide if item is types.float64 else _lanes


def _address(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    data = make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), _lanes_of(kind.dtype).vector.as_pointer())


@intrinsic
def load(context: Any, array: Any, at: Any) -> Any:
    """The values of a vector from array[at] on; array : contiguous float32 or float64."""
    kind = _lanes_of(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_address(context, builder, signature.args[0], *args))
        value.align = kind.bytes
        return value

    return kind(array, types.intp), codegen


@intrinsic
def store(context: Any, array: Any, at: Any, value: Any) -> Any:
    """Put the values of a vector to array[at] and on; array : contiguous, of the same type."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.store(args[2], _address(context, builder, signature.args[0], *args[:2]))
        place.align = value.bytes
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def fill(context: Any, value: Any) -> Any:
    """The same value in all lanes; value : float32 or float64."""
    kind = _lanes_of(value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = builder.insert_element(ir.Constant(kind.vector, ir.Undefined), args[0], ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), kind.vector.count), [0] * kind.vector.count)
        return builder.shuffle_vector(one, one, mask)

    return kind(kind.item), codegen


def _binary(emit: Any) -> Any:
    def typed(context: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return emit(builder, *args)

        return a(a, a), codegen

    return intrinsic(typed)


least = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))
"""The smaller of two, lane by lane."""
greatest = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))
"""The greater of two, lane by lane."""


def _unary(emit: Any) -> Any:
    def typed(context: Any, a: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return emit(builder, args[0], a)

        return a(a), codegen

    return intrinsic(typed)


@intrinsic
def fused(context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c rounded once; vectors lane by lane, or three float32."""
    kind = _lanes if a is _lanes else types.float32

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = args[0].type
        name = f"llvm.fma.v{WIDTH}f32" if kind is _lanes else "llvm.fma.f32"
        return builder.call(function_of(builder.module, ir.FunctionType(word, [word] * 3), name), args)

    return kind(kind, kind, kind), codegen


def _without_sign(builder: Any, a: Any, kind: Any) -> Any:
    rest = ir.Constant(kind.whole, [kind.sign - 1] * kind.vector.count)
    return builder.bitcast(builder.and_(builder.bitcast(a, kind.whole), rest), kind.vector)


def _sign_of(builder: Any, a: Any, b: Any) -> Any:
    words = ir.VectorType(ir.IntType(32), WIDTH)
    sign = builder.and_(builder.bitcast(b, words), ir.Constant(words, [0x80000000] * WIDTH))
    return builder.bitcast(builder.or_(builder.bitcast(a, words), sign), _lanes.vector)


def _where(sign: str) -> Any:
    def typed(context: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.select(builder.fcmp_ordered(sign, args[0], args[1]), args[2], args[3])

        return a(a, a, a, a), codegen

    return intrinsic(typed)


where_at_most, where_equal = _where("<="), _where("==")
"""Of four: the third where the first is at most, or equals, the second, the fourth elsewhere, lane by lane."""


magnitude = _unary(_without_sign)
signed_as = _binary(_sign_of)
"""The first, which is not negative, with the sign of the second, lane by lane."""


def _window(places: int) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [places + k for k in range(WIDTH)])
    return _binary(lambda builder, a, b: builder.shuffle_vector(a, b, mask))


after_one, after_two, after_three = _window(1), _window(2), _window(3)
"""Of two vectors one after the other, the WIDTH values from the second, third, fourth on."""


def _operator(sign: Any, emit: Any) -> None:
    def typed(a: Any, b: Any) -> Any:
        def done(a: Any, b: Any) -> Any:
            return emit(a, b)

        return done if a is b and isinstance(a, _Lanes) else None

    overload(sign)(typed)


_operator(operator.add, _binary(lambda builder, a, b: builder.fadd(a, b)))
_operator(operator.sub, _binary(lambda builder, a, b: builder.fsub(a, b)))
_operator(operator.mul, _binary(lambda builder, a, b: builder.fmul(a, b)))
_operator(operator.truediv, _binary(lambda builder, a, b: builder.fdiv(a, b)))
