"""Sources that do, or try to do, what reading must not."""

from __future__ import annotations

__all__ = [
    "ATTACKS",
    "INDEXES",
    "INDEX_NAMES",
    "OUTSIDE_THE_GRAMMAR",
    "SOUND_INDEX",
    "SOUND_STATE",
    "STATES",
    "TRUSTED_ATTACKS",
]

# What would be left behind by code that runs.
_MARK = "__import__('pathlib').Path('marker').write_text('x')"

ESCAPES = [
    # The allow-list of former days let these through.
    f"import numpy as n\nx = n.__dict__['__builtins__']['eval'](\"{_MARK}\")",
    f'from numpy import add as exec\ndel exec\nexec("{_MARK}")',
    f'from numpy import add as eval\ndel eval\nx = eval("{_MARK}")',
    "x = object.__dict__['__getattribute__'](print, '__globals__')",
    "import numpy as n\nn.ndarray.__dict__['tofile'](n.array([1]), 'marker')",
    "import numpy as n\nn.ndarray.tofile(n.array([1]), 'marker')",
    "import numpy as n\nx = n.array([1])\nx.tofile('marker')",
    "import numpy as n\nx = n.array([1]).tofile\nx('marker')",
    "import sklearn_evil\nx = sklearn_evil.run()",
    "import numpy as n\nx = n.dtype('f8')\nx.__setstate__((3, '<', None, None, None, -1, -1, 0))",
    "import numpy as n\nn.dtype.__setstate__(n.dtype('f8'), (3, '<', None, None, None, 9, 9, 0))",
    # Builtins, and other ways to reach them.
    f'exec("{_MARK}")',
    f'x = eval("{_MARK}")',
    "x = compile('1', '', 'eval')",
    "x = open('marker', 'w')",
    "x = __import__('os').system('touch marker')",
    "x = __builtins__",
    "x = globals()",
    "x = vars()",
    "x = input()",
    "x = breakpoint()",
    "x = getattr(1, '__class__')",
    "x = [eval, exec, open]",
    "x = {'run': __import__}",
    "x = type('X', (), {})",
    "x = ().__class__.__bases__[0].__subclasses__()",
    "x = ''.__class__",
    "x = (1).__class__.__mro__",
    "x = 'x'.format.__self__",
    "x = '{0.__class__}'.format(1)",
    "x = int.__subclasses__()",
    "x = int.__dict__",
    "x = [].__class__.__init__",
    "x = print.__self__",
    "x = len.__self__",
    "from builtins import eval as e\nx = e('1')",
    "from builtins import open\nx = open('marker', 'w')",
    "import builtins as b\nx = b.exec('1')",
    "import builtins\nx = builtins.__dict__",
    "x = map(eval, ['1'])",
    "x = list(map(eval, '1 2'.split()))",
    "x = list(map(open, 'marker'.split()))",
    "x = list(filter(eval, ['1']))",
    "x = sorted(['1'], key=eval)",
    "x = max('1', key=eval)",
    # Modules and functions that nobody trusts.
    "import os as o\nx = o",
    "import os\nx = os.system('touch marker')",
    "from os import system\nx = system('touch marker')",
    "from os import system\nx = system",
    "from os import environ\nx = environ",
    "import subprocess as s\nx = s.run(['touch', 'marker'])",
    "import posix\nposix.open('marker', 64)",
    "import sys\nx = sys.modules['os']",
    "import sys\nx = sys.modules",
    "import sys\nsys.modules['os'] = 1",
    "import sys\nsys.path = []",
    "import sys\nx = sys.stdout",
    "import importlib as i\nx = i.import_module('antigravity')",
    "import antigravity\nx = antigravity.geohash",
    "from this import s\nx = s",
    "import pickle as p\nx = p.loads(b'cos\\nsystem\\n(S\"touch marker\"\\ntR.')",
    "from pathlib import Path\nx = Path('marker').write_text('x')",
    "from pathlib import Path\nx = Path.home()",
    "from pathlib import Path\nx = Path('/etc/passwd').read_text()",
    "import numpy as n\nx = n.load('x.npy', allow_pickle=True)",
    "import numpy as n\nx = n.fromfile('/etc/passwd', 'u1')",
    "import numpy as n\nx = n.memmap('marker', mode='w+', shape=1)",
    "import numpy as n\nn.save('marker', n.array([1]))",
    "import numpy as n\nx = n.genfromtxt('/etc/passwd')",
    "from numpy.lib.npyio import os as o\nx = o.getcwd()",
    "import numpy as n\nx = n.os.getcwd()",
    "import numpy as n\nx = n.testing.assert_equal",
    "import numpy as n\nx = n.f2py.run_main(['x'])",
    "import numpy as n\nx = n.vectorize(eval)",
    "import numpy as n\nx = n.frompyfunc(eval, 1, 1)(['1'])",
    "import numpy as n\nx = n.add.__class__",
    "import numpy as n\nx = n.add.reduce([1])",
    "import numpy as n\nx = n.add(1, 2)",
    "from functools import partial\nx = partial(print, 1)",
    "from operator import methodcaller\nx = methodcaller('system', 'ls')",
    "from operator import attrgetter\nx = attrgetter('__class__')",
    "from functools import reduce\nfrom operator import add\nx = reduce(add, [1])",
    "from types import FunctionType\nx = FunctionType",
    "from types import CodeType\nx = CodeType(0, 0)",
    "from types import ModuleType\nx = ModuleType('x')",
    "from collections import namedtuple\nx = namedtuple('X', 'a', module='os')",
    "from collections import defaultdict\nx = defaultdict(eval)\nx['1']",
    "from io import open\nx = open('marker', 'w')",
    "from io import FileIO\nx = FileIO('marker', 'w')",
    "from zoneinfo import ZoneInfo\nx = ZoneInfo('../../../etc/passwd')",
    "from zoneinfo import ZoneInfo\nx = ZoneInfo('/etc/passwd')",
    "from zoneinfo import ZoneInfo\nx = ZoneInfo.from_file(1)",
    "import datetime\nx = datetime.datetime.now()",
    "import pandas as p\nx = p.read_pickle('x')",
    "import pandas as p\nx = p.read_csv('/etc/passwd')",
    "import pandas as p\nx = p.DataFrame({'a': [1]}).to_csv('marker')",
    "import pandas as p\nx = p.DataFrame({'a': [1]}).eval('a')",
    "import pandas as p\nx = p.DataFrame({'a': [1]}).query('@__import__(\"os\")')",
    "import pandas as p\nx = p.Series([1]).apply(eval)",
    "import pandas as p\nx = p.eval('1')",
    "import pandas.io.common as c\nx = c.os.getcwd()",
    "import scipy.sparse as s\nx = s.load_npz('x')",
    "import sklearn as s\nx = s.os.system('touch marker')",
    "from sklearn.datasets._openml import GzipFile as G\nx = G('marker', 'w')",
    "from sklearn.utils._testing import TempMemmap as T\nx = T([1])",
    "from sklearn.utils import Bunch as B\nx = B.__init__.__globals__",
    "from fractions import Fraction as F\nx = F.__init__",
    "from fractions import Fraction as F\nF.numerator = 3",
    "from fractions import Fraction as F\nsetattr(F, 'numerator', 3)",
    "from fractions import Fraction as F\nF.__dict__.update(a=1)",
    "from collections import OrderedDict as O\nO.__init__ = print",
    "from uuid import UUID\nx = UUID('0' * 32)",
    "from decimal import Decimal as D\nx = D(1)\nx.__class__ = int",
    "from decimal import getcontext as g\ng().prec = 1",
]

MEMORY = [
    # numpy reads memory at an address that an attribute gives.
    "from types import SimpleNamespace as S\nimport numpy as n\n"
    "x = n.array([S(__array_interface__={'data': (4096, False), 'shape': (9,), 'typestr': '<f8', "
    "'version': 3})])",
    "from types import SimpleNamespace as S\nimport numpy as n\nx = n.array([S(a=1)])",
    "from types import SimpleNamespace as S\nx = S()\nx.__array_struct__ = 1",
    "from types import SimpleNamespace as S\nx = S()\nx.__dict__.update(__array__=len)",
    "from types import SimpleNamespace as S\nx = S()\nx.__dict__.update({'__array__': len})",
    "from types import SimpleNamespace as S\nx = S()\nsetattr(x, '__array__', len)",
    "from collections import OrderedDict as O\nx = O()\nx.__class__ = dict",
    "import numpy as n\nx = n.array([1]).view(n.matrix)\nx.strides = (4096,)",
    "import numpy as n\nx = n.array([1]).view(n.matrix)\nx.shape = (9,)",
    "import numpy as n\nx = n.array([4096]).view(n.matrix)\nx.dtype = 'O'",
    "import numpy as n\nx = n.array([1]).view(n.recarray)\nx.dtype = n.dtype('O')",
    "import numpy as n\nx = n.array([4096]).view('O')",
    "import numpy as n\nx = n.ndarray((1,), 'O', b'12345678')",
    "import numpy as n\nx = n.ndarray(shape=(1,), dtype='O', buffer=b'12345678')",
    "import numpy as n\nx = n.ndarray(shape=(9,), dtype='<f8', buffer=b'12345678')",
    "import numpy as n\nx = n.ndarray(shape=(9,), dtype='u1', buffer=b'1', strides=(4096,))",
    "import numpy as n\nx = n.ndarray(shape=(1,), dtype='u1', buffer=b'1', offset=-4096)",
    "import numpy as n\nx = n.ndarray(shape=(9,), dtype='u1')",
    "import numpy as n\nx = n.dtype(('i8', 'O'))",
    "import numpy as n\nx = n.dtype({'names': ['a', 'b'], 'formats': ['O', 'i8'], "
    "'offsets': [0, 0]})",
    "from numpy.lib.stride_tricks import as_strided as a\nimport numpy as n\n"
    "x = a(n.ravel(n.array([None], dtype='O'), 'K'), (9,), (8,))",
    "from numpy.lib.stride_tricks import as_strided as a\nimport numpy as n\n"
    "x = a(n.ravel(n.array([None, 1], dtype='O'), 'K'), (2,), (-8,))",
    "from numpy.lib.stride_tricks import as_strided as a\nimport numpy as n\n"
    "x = a(n.array([1]), (9,), (4096,))",
    "from numpy.lib.stride_tricks import as_strided as a\nimport numpy as n\n"
    "x = a(n.ravel(n.array([None, 1], dtype='O'), 'K'), (2,), (4,))",
    "import numpy as n\nx = n.array([1])\nx[0] = 2",
    "import numpy as n\nx = n.array([None, None], dtype='O')\nx[:] = [1, 2]",
    "import numpy as n\nx = n.ndarray.__new__(n.ndarray, (2,), 'O')\n"
    "x.__setstate__((1, (9,), n.dtype('f8'), False, b'1'))",
    "import numpy as n\nx = n.array([1])\nx.__setstate__((1, (9,), n.dtype('f8'), False, b'1'))",
    "import numpy as n\nx = n.array([1])\nx.setflags(write=True)",
    # Compiled code takes these on trust.
    "from scipy.sparse import csr_matrix as c\nimport numpy as n\n"
    "x = c((n.array([1.0]), n.array([10**6]), n.array([0, 1])), shape=(1, 1))",
    "from scipy.sparse import csr_matrix as c\nimport numpy as n\n"
    "x = c((n.array([1.0]), n.array([-1]), n.array([0, 1])), shape=(1, 1))",
    "from scipy.sparse import csr_matrix as c\nimport numpy as n\n"
    "x = c((n.array([1.0]), n.array([0]), n.array([0, 10**6])), shape=(1, 1))",
    "from scipy.sparse import csc_array as c\nimport numpy as n\n"
    "x = c((n.array([1.0]), n.array([5]), n.array([0, 1, 1])), shape=(2, 2))",
    "from scipy.sparse import bsr_matrix as c\nimport numpy as n\n"
    "x = c((n.array([[[1.0]]]), n.array([7]), n.array([0, 1])), shape=(1, 1))",
    "from scipy.sparse import coo_matrix as c\nimport numpy as n\n"
    "x = c((n.array([1.0]), (n.array([9]), n.array([0]))), shape=(1, 1))",
    "from scipy.sparse import csr_matrix as c\nimport numpy as n\n"
    "x = c((n.array([1.0]), n.array([0]), n.array([0, 1])), shape=(1, 1))\n"
    "x.indices = n.array([10**6])",
    "from scipy.sparse import csr_matrix as c\nimport numpy as n\n"
    "x = c((n.array([1.0]), n.array([0]), n.array([0, 1])), shape=(1, 1))\n"
    "x.__dict__.update(indices=n.array([10**6]))",
    "from scipy.sparse import csr_matrix as c\nimport numpy as n\n"
    "x = c((n.array([1.0]), n.array([0]), n.array([0, 1])), shape=(1, 1))\nx._shape = (9, 9)",
    "from scipy.sparse import dia_matrix as c\nimport numpy as n\n"
    "x = c((n.array([[1.0]]), 'x'), shape=(1, 1))",
    "from numpy.random import RandomState as R\nx = R(0)\n"
    "R.set_state(x, ('MT19937', list(range(624)), 10**6, 0, 0.0))",
    "from numpy.random import RandomState as R\nx = R(0)\n"
    "R.set_state(x, ('MT19937', list(range(624)), -1, 0, 0.0))",
    "from numpy.random import MT19937 as M\nimport numpy as n\nx = M(0)\nx.state = "
    "{'bit_generator': 'MT19937', 'state': {'key': n.zeros(624, dtype='u4'), 'pos': 10**6}}",
    "from numpy.random import Philox as P\nimport numpy as n\nx = P(0)\nx.state = "
    "{'bit_generator': 'Philox', 'state': {'counter': n.zeros(4, dtype='u8'), "
    "'key': n.zeros(2, dtype='u8')}, 'buffer': n.zeros(4, dtype='u8'), 'buffer_pos': 10**6, "
    "'has_uint32': 0, 'uinteger': 0}",
    "import numpy as n\nx = n.random.rand.__self__\n"
    "n.random.RandomState.set_state(x, ('MT19937', list(range(624)), 1, 0, 0.0))",
    "from random import Random as R\nx = R(0)\nx.__setstate__((3, (1, 2), None))",
    "from scipy.sparse import csr_matrix as c\nimport numpy as n\n"
    "a = n.zeros(1, dtype=n.dtype([('i', '<i4')]))\n"
    "x = c((n.array([1.0]), n.ndarray(shape=(1,), dtype='<i4', buffer=a), n.array([0, 1])), "
    "shape=(1, 1))\ny = a.view(n.recarray)\ny.i = 10**6",
    "import ctypes as c\nx = c.string_at(4096)",
    "from ctypes import c_int\nx = c_int.from_address(4096)",
]

RESOURCES = [
    "x = 'a' * 10**10",
    "x = [0] * 10**10",
    "x = (0,) * 10**10",
    "x = b'a' * 10**10",
    "x = list(range(10**11))",
    "x = tuple(range(10**11))",
    "x = set(range(10**9))",
    "x = [*range(10**11)]",
    "x = bytes(10**11)",
    "x = bytearray(10**11)",
    "x = 1234567890\n" + "x = x * x\n" * 22,
    "x = 10**10**10",
    "x = 2 << 10**10",
    "x = int('9' * 10**7)",
    "x = " + "9" * 5000,
    "from decimal import Decimal as D\nx = D(0x" + "f" * 10**5 + ")",
    "x = [1]\n" + "x = x + x\n" * 60,
    "x = [1]\n" + "x.extend(x)\n" * 60,
    "x = [1]\n" + "x = [*x, *x]\n" * 60,
    "x = [1]\n" + "x = [x, x]\n" * 60 + "import numpy as n\ny = n.array(x)",
    "x = [1]\n" + "x = [1, x]\n" * 60 + "import numpy as n\ny = n.array([x] * 2)",
    "x = [1]\n" + "x = [x, x]\n" * 40 + "import numpy as n\ny = n.array(x, dtype='O')",
    "x = [1]\n" + "x = [x]\n" * 90 + "import numpy as n\ny = n.array(x)",
    "x = [1]\nx.append(x)\nimport numpy as n\ny = n.array(x)",
    "import numpy as n\nx = n.zeros(10**12)",
    "import numpy as n\nx = n.zeros((10**6, 10**6), dtype='u1')",
    "import numpy as n\nx = n.empty(10**11, dtype='O')",
    "import numpy as n\nx = n.array(['a'], dtype='U1000000000')",
    "import numpy as n\nx = n.array(['a'], dtype='V2000000000')",
    "import numpy as n\nx = n.zeros((), dtype=(('<f8', (10**5, 10**5))))",
    "import numpy as n\nx = n.array(n.ndarray(shape=(10**11,), dtype='u1', buffer=b'1', "
    "strides=(0,)))",
    "import numpy as n\nx = n.array(n.ndarray(shape=(10**9, 100), dtype='u1', buffer=b'1', "
    "strides=(0, 0)))",
    "import numpy as n\nx = n.arange(10**11)",
    "import numpy as n\nx = n.random.SeedSequence(1, pool_size=10**10)",
    "import numpy as n\nx = n.random.SeedSequence(1, spawn_key=range(10**10))",
    "from collections import deque\nx = deque(range(10**10))",
    "from collections import Counter\nx = Counter(range(10**10))",
    "from array import array\nx = array('d', range(10**10))",
    "import pandas as p\nx = p.Series(1, index=p.RangeIndex(10**11))",
    "import pandas as p\nx = p.DataFrame({'a': 1}, index=p.RangeIndex(10**11))",
    "import pandas as p\nx = p.Index(p.RangeIndex(10**11), dtype='object')",
    "import pandas as p\nx = p.Index(range(10**11))",
    "import pandas as p\nx = p.date_range('2000', periods=10**11)",
    "from scipy.sparse import lil_matrix as l, coo_matrix as c\nimport numpy as n\n"
    "x = l(c((n.array([1.0]), (n.array([0]), n.array([0]))), shape=(10**9, 1)))",
    "from scipy.sparse import csr_matrix as c\nx = c((10**9, 10**9))",
    "from fractions import Fraction as F\nx = F(0x" + "f" * 10**5 + ", 0x" + "e" * 10**5 + ")",
    "x = " + "[" * 150 + "]" * 150 + "\n" + "y = " + "[" * 5000 + "]" * 5000,
    "x = " + "-" * 100_000 + "1",
    "x = " + "1+" * 100_000 + "1",
    "x = a" + ".a" * 100_000,
    "x = a" + "[0]" * 50_000,
    "x = a" + "()" * 50_000,
    "x = " + "(" * 100_000,
    "x = {'a': 1, [1]: 2}",
    "x = " + "a" * 10**6,
    "x = '" + "a" * 10,
    "x = {" + ", ".join(f"{k * (2**61 - 1)}: 1" for k in range(50_000)) + "}",
    "x = {" + ", ".join(f"{k * (2**61 - 1)}" for k in range(50_000)) + "}",
    "x = frozenset([" + ", ".join(f"{k * (2**61 - 1)}" for k in range(50_000)) + "])",
    "x = dict([" + ", ".join(f"({k * (2**61 - 1)}, 1)" for k in range(50_000)) + "])",
    "x = {}\n" + "\n".join(f"x[{k * (2**61 - 1)}] = 1" for k in range(50_000)),
    "x = {1}\n" + "\n".join(f"x.add({k * (2**61 - 1)})" for k in range(50_000)),
    "def f(): return [" + "1, " * 50_000 + "]\n" + "x = f()\n" * 20_000,
    "from re import compile as c\nx = c('(' * 10**6)",
    "from decimal import Decimal as D\nx = D('1e999999999999999999999999')",
    "import numpy as n\nx = n.dtype('" + "i4," * 10**6 + "')",
]

OUTSIDE_THE_GRAMMAR = [
    "x = (lambda: 1)()",
    "x = lambda: 1",
    "x = [y for y in (1,)]",
    "x = {y for y in (1,)}",
    "x = {y: 1 for y in (1,)}",
    "x = (y for y in (1,))",
    "x = list(y for y in (1,))",
    "def f(): pass\nx = 1",
    "def f(): return 1; return 2",
    "def f(*a): return a\nx = f(1)",
    "def f(**a): return a\nx = f(b=1)",
    "def f(a=print('x')): return a\nx = f()",
    "def f(a: print('x')): return a\nx = f(a=1)",
    "def f() -> print('x'): return 1\nx = f()",
    "@print\ndef f(): return 1",
    "def f(): return f()\nx = f()",
    "def f(): return g()\ndef g(): return f()\nx = f()",
    "def f():\n    global x\n    x = 1\n    return x",
    "def f():\n    yield 1\nx = f()",
    "def f(): return (yield)\nx = f()",
    "async def f(): return 1",
    "class A: pass\nx = 1",
    "class A(metaclass=print): pass",
    "while True: pass",
    "for i in (1,): x = i",
    "if True: x = 1",
    "with open('marker', 'w') as f: pass",
    "try: x = 1\nexcept: pass",
    "try: x = 1\nfinally: pass",
    "try: del __builtins__, _arrays\nexcept NameError: print('x')",
    "try: del __builtins__, _arrays\nexcept Exception: pass",
    "try: del x[0]\nexcept NameError: pass",
    "raise ValueError",
    "assert False",
    "global x",
    "pass",
    "break",
    "return 1",
    "match 1:\n    case 1: x = 1",
    "x: int = 1",
    "x: print('x')",
    "x = 1\nx += 1",
    "x = y = 1",
    "x, y = 1, 2",
    "[x] = [1]",
    "*x, y = [1, 2]",
    "(x := 1)",
    "x = (y := 1)",
    "x = 1 if True else 2",
    "x = 1 and 2",
    "x = not 1",
    "x = 1 < 2",
    "x = 1 in [1]",
    "x = ~1",
    "x = 7 // 2",
    "x = 7 % 2",
    "x = '%s' % 1",
    "x = 2 ** 3",
    "x = 1 @ 2",
    "x = [1] + [2]",
    "x = f'{1}'",
    "x = f'{print(1)}'",
    "x = {**{}}",
    "x = [*{1: 2}]",
    "x = {*[1]}",
    "x = await y",
    "x = undefined",
    "x = undefined.attribute",
    "del x",
    "x = 1\ndel x.y",
    "x = [1]\ndel x[0]",
    "import numpy as n\nn.array = 1",
    "import numpy\nnumpy.array.x = 1",
    "from numpy import *\nx = 1",
    "from . import y\nx = y",
    "from .os import system\nx = system",
    "from os.path import os\nx = os.getcwd()",
    "__builtins__ = {}",
    "__name__ = 'x'",
    "import os as __builtins__",
    "x = __name__",
    "x = __file__",
    "x = __loader__",
    "1",
    "print('x')",
    "x = print('x')",
    "x = 1()",
    "x = 'a'()",
    "x = [].x",
    "x = (1).real",
    "x = [1][0:1:1].x",
    "x = {}.__setitem__('a', 1)",
    "x = {[]: 1}",
    "x = {{}}",
    "x = dict(a=1, a=2)",
    "x = dict(**{'a': 1}, a=2)",
    "x = dict(**[1])",
    "x = (",
    "x = 1 +",
    "\x00",
    "x = '\x00'",
    "x = \ud800",
    "\ufeffx = (",
    "x = 1\n  y = 2",
    "_arrays['x']",
    "x = _arrays",
    "try:\n    _arrays\nexcept NameError:\n    def _arrays():\n        return eval('1')\n"
    "    _arrays = _arrays()",
]

_NUMPY = "import numpy as n\n"
_SHARED = "y = n.empty(2, dtype='O')\ny[0] = x\ny[1] = x\nx = y\n"
_SVR = "from sklearn.svm import SVR as S\nx = S()\n"
_SPACE = "from types import SimpleNamespace as S\n"

# Values in each other, which compiled code goes through level by level, or as often as they stand
# there; and what is small as text only.
NESTED = [
    "x = ()\n" + "x = (x,)\n" * 20_000 + "y = {x: 1}",
    "x = (1,)\n" + "x = (x, x)\n" * 40 + "y = {x: 1}",
    "x = (1,)\n" + "x = (x, x)\n" * 40 + "y = {x}",
    "x = (1,)\n" + "x = (x, x)\n" * 40 + "y = {}\ny[x] = 1",
    "x = (1,)\n" + "x = (x, x)\n" * 40 + "y = set()\ny.add(x)",
    "x = (1,)\n" + "x = (x, x)\n" * 40 + "y = frozenset([x])",
    "x = (1,)\n" + "x = (x, x)\n" * 40 + "from collections import Counter as C\ny = C([x])",
    "x = int\n" + "x = list[x]\n" * 20_000 + "y = {x: 1}",
    "x = slice(1)\n" + "x = slice(x)\n" * 50_000,
    # Freed in each other on the stack of C, some through copies that numpy makes.
    "from collections import deque as d\nx = d()\n" + "x = d([x])\n" * 50_000,
    "from collections import deque as d\nx = d()\n" + "y = d()\ny.append(x)\nx = y\n" * 20_000,
    "from collections import deque as d\nx = d()\n" + "y = d()\ny.extend([x])\nx = y\n" * 20_000,
    "from collections import defaultdict as d\nx = 1\n" + "x = d(None, {1: x})\n" * 50_000,
    "from collections import defaultdict as d\nx = 1\n" + "y = d()\ny[1] = x\nx = y\n" * 20_000,
    _NUMPY + "x = n.empty(1, dtype='O')\n"
    "" + "y = n.empty(1, dtype='O')\ny[0] = x\nx = y.copy('K')\ndel y\n" * 20_000,
    _NUMPY + "x = n.empty(1, dtype='O')\n"
    "" + "y = n.empty(1, dtype='O')\ny[0] = x\nx = y.reshape(1, 1)\ndel y\n" * 20_000,
    _NUMPY + "x = n.empty(1, dtype='O')\n"
    "" + ("y = n.empty(1, dtype='O')\ny[0] = slice(x)\nx = y\ndel y\n" * 100 + "x = [x]\n") * 100,
    # Cycles, each of which is opened again.
    "from collections import deque as d\nx = d()\n"
    "" + "y = d([x], maxlen=1)\nx.append(y)\ny.append(1)\nx = d()\ny.append(x)\nx = y\n" * 9000,
    _NUMPY + "x = n.empty(1, dtype='O')\n"
    "" + "y = n.empty(1, dtype='O')\ny[0] = x\nx = y\ndel y\n" * 20_000,
    _NUMPY + "x = n.empty(2, dtype='O')\n" + _SHARED * 40 + "z = n.array([x, x])",
    _NUMPY + "x = n.empty(2, dtype='O')\n" + _SHARED * 40 + "z = n.array(x, dtype='U')",
    _NUMPY + "from collections import deque as d\nx = d([1])\n"
    "" + "x = d([x, x])\n" * 40 + "y = n.array(x)",
    _NUMPY + "x = n.array(range(100000000000))",
    _NUMPY + "r = range(1000000000)\nx = n.array([r, r])",
    # Shown, hashed or gone through by what takes any data.
    *(
        f"{_NUMPY}import operator, collections\nx = {open_}1, 1{close}\n"
        + f"x = {open_}x, x{close}\n" * 40
        + f"y = {call}"
        for open_, close, call in (
            ("[", "]", "n.str_(x)"),
            ("[", "]", "n.dtype(x)"),
            ("[", "]", "n.float64(x)"),
            ("[", "]", "n.zeros(1, x)"),
            ("[", "]", "n.random.SeedSequence(x)"),
            ("[", "]", "n.polynomial.Polynomial(x)"),
            ("(", ")", "operator.getitem({1: 2}, x)"),
            ("(", ")", "{1: 2}[x]"),
            ("(", ")", "collections.UserDict(x)"),
        )
    ),
    _NUMPY + "x = {1: 1}\n" + "x = {1: x, 2: x}\n" * 40 + "y = n.array([x], dtype='U')",
    _NUMPY + f"x = {'7' * 4000}\ny = n.array([{'x, ' * 200_000}], dtype='U')",
    f"import pandas as p\na = [{'1, ' * 5000}]\nx = p.DataFrame([{'a, ' * 5000}])",
    "from fractions import Fraction as F\nx = F('1e100000000')",
    "from fractions import Fraction as F\nx = F('1e-1_000_000_000')",
    f"import re\nx = re.compile({'(?i)' + f'[{chr(1)}-{chr(0x10FFFF)}]' * 3000!r})",
    f"import re\nx = re.compile({f'[{chr(1)}-{chr(0x10FFFF)}]' * 9000!r})",
    _NUMPY + f"x = n.random.SeedSequence(0x{'f' * 10**6})",
    _NUMPY + f"x = n.random.MT19937(0x{'f' * 10**6})",
    "x = {}\n" + "".join(f"x[({(2**61 - 1) * k}, 0)] = 1\n" for k in range(1, 20_000)),
    "def f():\n    import os.path, numpy\n"
    f"    names = [{', '.join(repr(str(i)) for i in range(1500))}]\n    return names",
    # The memory of an array is freed when its state is set, and a view of it stays.
    _NUMPY + "x = n.ndarray.__new__(n.matrix, (9, 9), 'f8')\ny = x.view(n.ndarray)\n"
    "x.__setstate__((1, (1, 1), n.dtype('f8'), False, b'12345678'))",
    # Python folds these to ASCII.
    "x = \uff45\uff56\uff41\uff4c('1')",
    "__\uff42uiltins__ = 1",
    "from types import SimpleNamespace as S\nx = S()\nx.__\uff43lass__ = dict",
    "from types import SimpleNamespace as S\nx = S(__\uff41rray_interface__=1)",
    "x = dict(\uff41=1, a=2)",
    # What is a line, and which characters there are, is told by Python's parser alone.
    "x = 1\ry = eval('1')",
    "x = 1\n\x0cy = eval('1')",
    "# -*- coding: utf-7 -*-\nx = '+AG8AcwA-'\ny = eval('1')",
    "def f(os):\n    from os import system\n    return system\nx = f(os=1)\nx('touch marker')",
    "import copyreg\nx = copyreg._reconstructor(int, object, None)",
    "from copyreg import dispatch_table as d\nd[int] = 1",
    "from copyreg import pickle as p\np(int, eval)",
    _NUMPY + "x = n.dtype('f8', metadata={'a': eval})",
    _NUMPY + "x = n.dtype({'names': ['a'], 'formats': ['O'], 'offsets': [-8]})",
    _NUMPY + "x = n.dtype({'a': ('O', 0), 'b': ('i8', 0)})",
    _NUMPY + "x = n.dtype(('V8', {'a': ('O', 0), 'b': ('i8', 0)}))",
    _NUMPY + "x = n.dtype((n.record, {'names': ['a', 'b'], 'formats': ['O', ('u1', 8)], "
    "'offsets': [0, 0]}))",
    "import persist\nx = persist.restore('x = 1')",
]

ATTACKS = [*ESCAPES, *MEMORY, *RESOURCES, *NESTED]

# What trust in a package, or in an innocent name, must not reach.
TRUSTED_ATTACKS: list[tuple[list[str], str]] = [
    (["sklearn."], "import sklearn as s\nx = s.os.system('touch marker')"),
    (["sklearn."], "import sklearn_evil as s\nx = s.run()"),
    (["sklearn."], "from sklearn.base import np as n\nx = n.save('marker', [1])"),
    (["sklearn."], "import sklearn.base as b\nx = b.np.ndarray.tofile"),
    (["sklearn."], "from sklearn.datasets._base import gzip as g\nx = g.open('marker', 'w')"),
    (["sklearn."], "from sklearn.utils import Bunch as B\nx = B.__init__.__globals__"),
    (["sklearn."], "from sklearn.utils import Bunch as B\nx = B(a=1).__class__"),
    (["sklearn."], "from sklearn.utils import Bunch as B\nx = B(a=1)\nx.__class__ = dict"),
    (["sklearn."], "from sklearn.utils import Bunch as B\nB.a = 1"),
    (["sklearn."], "from sklearn.utils import Bunch as B\nsetattr(B, 'a', 1)"),
    (["sklearn."], "from sklearn.utils import Bunch as B\nB.__dict__.update(a=1)"),
    (["sklearn."], "import sklearn.utils as u\nu.a = 1"),
    (["sklearn."], "import sklearn.utils as u\nx = u"),
    (["sklearn."], "from sklearn.utils import Bunch as B\nx = B(a=1).to_csv('marker')"),
    (["sklearn."], "from sklearn.utils import Bunch as B\nx = B(a=1)\nx.__dict__['a'] = 1"),
    (["fractions.Fraction"], "from fractions import math as m\nx = m"),
    (["argparse.Namespace"], "from argparse import Namespace as N\nx = N.__init__.__globals__"),
    (["argparse.Namespace"], "import argparse\nx = argparse._os.system('touch marker')"),
    (["argparse.Namespace"], "import argparse\nx = argparse.Namespace.__class__"),
    (["argparse.Namespace"], "from argparse import FileType as F\nx = F('w')('marker')"),
    (["argparse.Namespace"], "from argparse import Namespace as N\nx = N()\nx.__class__ = dict"),
    (["argparse.Namespace"], "from argparse import Namespace as N\nx = N()\nx.__array__ = len"),
    (
        ["argparse.Namespace"],
        "from argparse import Namespace as N\nx = N()\nx.__dict__.update({'__class__': int})",
    ),
    (
        ["argparse.Namespace"],
        "from argparse import Namespace as N\nimport numpy as n\nx = n.array([N(a=1)])",
    ),
    (["argparse.Namespace"], "from argparse import Namespace as N\nx = N()\nx()"),
    (["argparse."], "import argparse\nx = argparse._sys.exit(1)"),
    (["collections.OrderedDict"], "from collections import OrderedDict as O\nO.x = 1"),
    (["decimal.Decimal"], "from decimal import Decimal as D\nx = D.__class__"),
    (["argparse."], "from argparse import __builtins__ as b\nx = b['eval']('1')"),
    (["enum.Enum"], "from enum import Enum\nx = Enum.__class__"),
    (
        ["sklearn."],
        "from sklearn.svm import SVR as S\nimport numpy as n\nx = S()\nx.__setstate__("
        "{'__array_interface__': {'data': (4096, False), 'shape': (9,), 'typestr': '<f8', "
        "'version': 3}})",
    ),
    (
        ["sklearn."],
        "from sklearn.utils import Bunch as B\nimport pandas as p\nx = p.Series([B("
        "**{'__array_interface__': {'data': (4096, False), 'shape': (9,), 'typestr': '<f8', "
        "'version': 3}})])",
    ),
    (
        ["sklearn."],
        "from sklearn.utils import Bunch as B\nimport pandas as p\nimport numpy as n\n"
        "a = n.empty(1, dtype='O')\na[0] = B(__array_interface__={'data': (4096, False), "
        "'shape': (9,), 'typestr': '<f8', 'version': 3})\nx = p.Index(a)",
    ),
    (["sklearn."], "from sklearn.datasets import clear_data_home as c\nx = c('.')"),
    (["sklearn."], _SVR + "x._parameter_constraints['C'] = 1"),
    (
        ["sklearn."],
        _SVR + "x._parameter_constraints.update(C=1)",
    ),
    (
        ["sklearn."],
        _SVR + "y = x._parameter_constraints\ny[1] = 1",
    ),
    (["pandas."], "import pandas as p\nx = p.read_pickle('x')"),
    (
        ["pandas."],
        "from types import SimpleNamespace as S\nimport pandas as p\nx = p.Series([S()])",
    ),
    (["numpy."], "import numpy as n\nx = n.load('x.npy', allow_pickle=True)"),
    (["numpy."], "import numpy as n\nx = n.ndarray(shape=(9,), dtype='f8', buffer=b'1234')"),
    (["numpy."], "import numpy as n\nx = n.ctypeslib.load_library('x', '.')"),
    (["unittest."], "import unittest.__main__ as m\nx = m.main"),
    (["persist."], "from persist import restore as r\nx = r('import os')"),
    (["persist."], "from persist.compat.python2_calls import unpickle as u\nx = u('x')"),
    (["persist."], "from persist import DataSet as D\nx = D('marker', mode='w')"),
    (["ctypes.c_int"], "from ctypes import c_int as c\nx = c\n" + "x = x * 1\n" * 20_000),
    (["os"], "import os\nx = os"),
    (["os."], "import os.path as p\nx = p"),
]

_TREE = (
    "from sklearn.tree._tree import Tree as T\nimport numpy as n\n"
    "x = T.__new__(T, 2, n.array([1]), 1)\n"
    "x.__setstate__({{'max_depth': 1, 'node_count': 3, 'nodes': n.array({nodes}, dtype=n.dtype({{"
    "'names': ['left_child', 'right_child', 'feature', 'threshold', 'impurity', 'n_node_samples', "
    "'weighted_n_node_samples', 'missing_go_to_left'], 'formats': ['<i8', '<i8', '<i8', '<f8', "
    "'<f8', '<i8', '<f8', 'u1'], 'offsets': [0, 8, 16, 24, 32, 40, 48, 56], 'itemsize': 64}})), "
    "'values': n.zeros((3, 1, 1))}})\n"
)


def _tree(left: int, right: int, feature: int) -> str:
    leaf = (-1, -1, -2, -2.0, 0.0, 1, 1.0, 0)
    return _TREE.format(nodes=[(left, right, feature, 0.5, 0.0, 2, 2.0, 0), leaf, leaf])


_INDEX = (
    "from sklearn.neighbors import KDTree as K\nfrom sklearn.neighbors._kd_tree import newObj\n"
    "import numpy as n\n{metric}x = newObj(K)\nx.__setstate__((n.zeros((3, 2)), n.array({order}), "
    "n.array([(0, {end}, 1, 0.0)], dtype=[('idx_start', '<i8'), ('idx_end', '<i8'), "
    "('is_leaf', '<i8'), ('radius', '<f8')]), n.zeros((2, 1, 2)), 40, {levels}, 1, 0, 0, 0, 0, m, "
    "{weights}))\n{after}"
)
_METRIC = (
    "from sklearn.metrics._dist_metrics import {0} as M\n"
    "from sklearn.metrics._dist_metrics import newObj as new\nm = new(M)\n"
    "m.__setstate__((2.0, n.{1}, n.array([[0.0]])))\n"
)


def _index(**changes: object) -> str:
    parts: dict[str, object] = {
        "metric": _METRIC.format("EuclideanDistance64", "array([0.0])"),
        "order": [0, 1, 2],
        "end": 3,
        "levels": 1,
        "weights": None,
        "after": "",
    }
    return _INDEX.format(**{**parts, **changes})


INDEX_NAMES = [
    *("sklearn.neighbors.KDTree", "sklearn.neighbors._kd_tree.newObj"),
    *("sklearn.metrics._dist_metrics.newObj", "sklearn.metrics._dist_metrics.EuclideanDistance64"),
    "sklearn.metrics._dist_metrics.SEuclideanDistance64",
]
INDEXES = [
    _index(order=[0, 1, 10**6]),
    _index(end=10**6),
    _index(levels=10**12),
    _index(weights="n.zeros(1)"),
    _index(metric=_METRIC.format("SEuclideanDistance64", "zeros(1)")),
    _index(after="x.__setstate__(())"),
    _index(after="m.__setstate__((2.0, n.zeros(1), n.array([[0.0]])))"),
]
SOUND_INDEX = _index()
STATES = [_tree(10**6, 2, 0), _tree(1, -7, 0), _tree(0, 2, 0), _tree(1, 2, 10**6), _tree(1, 2, -5)]
SOUND_STATE = _tree(1, 2, 0)
