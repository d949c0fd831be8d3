"""Everything about the distribution is in setup.cfg, except how an sdist becomes reproducible."""

from __future__ import annotations

import gzip
import os
import tarfile

from setuptools import setup
from setuptools.command.sdist import sdist


class ReproducibleSdist(sdist):
    """Build the same bytes from the same files when SOURCE_DATE_EPOCH is set.

    The archive of setuptools keeps the time of each file and of the build, and the user who built.
    """

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        """Write a gzipped tar file whose members are sorted and have one time and no owner."""
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)

        def plain(member):
            member.mtime = int(epoch)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        path = f"{base_name}.tar.gz"
        top = os.path.join(root_dir or os.curdir, base_dir)
        with (
            open(path, "wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=int(epoch)) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            # tarfile adds what is in a folder in sorted order.
            archive.add(top, arcname=base_dir, filter=plain)
        return path


setup(cmdclass={"sdist": ReproducibleSdist})
