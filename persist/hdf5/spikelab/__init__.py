"""The data classes of spikelab, in the format of that library.

Spikelab is imported only when an object of such a class is read.

References
----------
SpikeLab 0.1.2, ``spikelab.workspace``: the format of its workspace files.
"""

from persist.hdf5.registry import register
from persist.hdf5.spikelab.pairwise import PairwiseEncoding
from persist.hdf5.spikelab.rates import RateDataEncoding, RateStackEncoding
from persist.hdf5.spikelab.spikes import SpikeDataEncoding
from persist.hdf5.spikelab.stacks import SpikeStackEncoding

__all__: list[str] = []

for _encoding in (
    SpikeDataEncoding(),
    RateDataEncoding(),
    RateStackEncoding(),
    SpikeStackEncoding(),
    PairwiseEncoding("PairwiseCompMatrix", "matrix", has_times=False),
    PairwiseEncoding("PairwiseCompMatrixStack", "stack", has_times=True),
):
    register(f"spikelab.{_encoding.tag}", _encoding)
