"""From A-scans one after the other to A-scans side by side, and back: squares of SIDE by SIDE values turned over.

Written as vector shuffles, which the compiler does not find by itself.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from detector.kernels.vector import function_of, intrinsic, make_array

SIDE = 8
"""Rows and columns of a square."""

_ROUNDS = ((1, (0, 8, 1, 9, 4, 12, 5, 13)), (2, (0, 1, 8, 9, 4, 5, 12, 13)), (4, (0, 1, 2, 3, 8, 9, 10, 11)))
"""How far apart two rows are that exchange, and which of their sixteen values the first of them becomes."""

_ROW = ir.VectorType(ir.FloatType(), SIDE)
LIMIT = 1e12
"""Values beyond this are cut: their squares must stay within float32. No converter reaches it."""


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """Three rounds of what processors do in one instruction: unpack singles, unpack pairs, exchange halves."""
    for apart, low in _ROUNDS:
        high = [place + (4 if apart == 4 else 2) for place in low]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), SIDE), list(mask)) for mask in (low, high)]
        done = list(rows)
        for i in range(SIDE):
            if not i & apart:
                # where the two come to stand makes the rows end in order
                to = (i, i + apart) if apart != 2 else (i + (i & 1), i + (i & 1) + 1)
                for place, mask in zip(to, masks, strict=True):
                    done[place] = builder.shuffle_vector(rows[i], rows[i + apart], mask)
        rows = done
    return rows


def _place(context: Any, builder: Any, kind: Any, array: Any, first: Any, stride: Any, i: Any, row: Any) -> Any:
    """Where row i begins."""
    data = make_array(kind)(context, builder, array).data
    at = builder.add(first, builder.mul(stride, i if isinstance(i, ir.Instruction) else ir.Constant(stride.type, i)))
    return builder.bitcast(builder.gep(data, [at]), row.as_pointer())


def _all(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(_ROW, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), SIDE), [0] * SIDE))


def _as_float(builder: Any, kind: Any, values: Any) -> Any:
    if kind in types.signed_domain:
        return builder.sitofp(values, _ROW)
    if kind in types.unsigned_domain:
        return builder.uitofp(values, _ROW)
    return builder.fptrunc(values, _ROW) if kind.bitwidth > 32 else values


def _bounded(builder: Any, v: Any) -> Any:
    zero, top, bottom = (ir.Constant(_ROW, [x] * SIDE) for x in (0.0, LIMIT, -LIMIT))
    v = builder.select(builder.fcmp_ordered("ord", v, v), v, zero)
    v = builder.select(builder.fcmp_ordered("<", v, top), v, top)
    return builder.select(builder.fcmp_ordered(">", v, bottom), v, bottom)


@intrinsic
def turn_in(
    context: Any, source: Any, at: Any, step: Any, rows: Any, shift: Any, scale: Any, target: Any, to: Any, pace: Any
) -> Any:
    """target[to + pace * j + i] = (source[at + step * i + j] - shift) * scale, i and j below SIDE.

    source : (n,) as sampled; integers are numbers and within +-1e12; of floats what is no number becomes 0 and what
    is beyond is cut; rows : how many there are, at least 1; for those that are not there the last one stands;
    shift, scale : float32; target : (n,) float32.
    """
    del context
    whole, single = types.intp, types.float32
    sig = types.void(source, whole, whole, whole, single, single, target, whole, whole)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0].dtype
        row = ir.VectorType(context.get_value_type(kind), SIDE)
        shift, scale = _all(builder, args[4]), _all(builder, args[5])
        squares = []
        for i in range(SIDE):
            index = ir.Constant(args[3].type, i)
            last = builder.sub(args[3], ir.Constant(args[3].type, 1))
            which = builder.select(builder.icmp_signed("<", index, args[3]), index, last)
            values = builder.load(_place(context, builder, signature.args[0], args[0], args[1], args[2], which, row))
            values.align = kind.bitwidth // 8
            v = builder.fmul(builder.fsub(_as_float(builder, kind, values), shift), scale)
            squares.append(v if isinstance(kind, types.Integer) else _bounded(builder, v))
        for j, v in enumerate(_turned(builder, squares)):
            place = _place(context, builder, signature.args[6], args[6], args[7], args[8], j, _ROW)
            builder.store(v, place).align = 4
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def turn(context: Any, source: Any, at: Any, step: Any, target: Any, to: Any, pace: Any) -> Any:
    """target[to + pace * j + i] = source[at + step * i + j], i and j below SIDE; source, target : (n,) float32."""
    del context
    whole = types.intp
    sig = types.void(source, whole, whole, target, whole, whole)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = []
        for i in range(SIDE):
            row = builder.load(_place(context, builder, signature.args[0], args[0], args[1], args[2], i, _ROW))
            row.align = 4
            rows.append(row)
        for j, v in enumerate(_turned(builder, rows)):
            place = _place(context, builder, signature.args[3], args[3], args[4], args[5], j, _ROW)
            builder.store(v, place).align = 4
        return context.get_dummy_value()

    return sig, codegen


@intrinsic
def soon(context: Any, array: Any, at: Any) -> Any:
    """Have the cache line of array[at] fetched; nothing else happens, even where the array has ended."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = function_of(builder.module, kind, "llvm.prefetch.p0")
        data = make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), byte)
        # to read, into the second cache, data
        builder.call(function, [place, *(ir.Constant(word, v) for v in (0, 2, 1))])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen
