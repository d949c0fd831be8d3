"""How bytes reach a disk: all or nothing, and never over the only good copy."""

from persist.files.confine import check_name, check_path, confine
from persist.files.folder import replace_folder, settle_folder, settle_folders, unsettled
from persist.files.lock import TIMEOUT, FolderLock
from persist.files.regular import identity_of, open_regular
from persist.files.replace import (
    backup,
    keep_backup,
    replace_file,
    replace_files,
    temporary_beside,
    write_text,
)
from persist.files.write import create_file, create_folder, remove_path, sync_file, sync_folder

__all__ = [
    "TIMEOUT",
    "FolderLock",
    "backup",
    "check_name",
    "check_path",
    "confine",
    "create_file",
    "create_folder",
    "identity_of",
    "keep_backup",
    "open_regular",
    "remove_path",
    "replace_file",
    "replace_files",
    "replace_folder",
    "settle_folder",
    "settle_folders",
    "sync_file",
    "sync_folder",
    "temporary_beside",
    "unsettled",
    "write_text",
]
