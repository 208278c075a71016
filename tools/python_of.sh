#!/bin/sh
# Print an interpreter of the version given, as 3.12: the command on the path, or one of pyenv's. Fail where there is none.
for found in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
    if "$found" -c '' 2>/dev/null; then
        echo "$found"
        exit 0
    fi
done
exit 1
