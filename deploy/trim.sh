#!/bin/sh
# Takes out of an image's build stage what no running process needs. A test runs every service from what is left.
set -eu
packages=$1

# headers, sources, tests and types of the libraries, and their installers
find "$packages" -depth -type d \( -name tests -o -name testing -o -name __pycache__ -o -name include -o -name includes \
    -o -name bin -o -name f2py -o -name distutils \) -path "$packages/*/*" -exec rm -rf {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.h' \
    -o -name '*.c' -o -name '*.a' -o -name '*.cmake' \) -delete
rm -rf "$packages/bin" "$packages/pyarrow/src" "$packages"/sqlalchemy/dialects/mssql \
    "$packages"/sqlalchemy/dialects/mysql "$packages"/sqlalchemy/dialects/oracle
# file systems in other people's clouds, and formats that nobody here reads: pyarrow does without what is absent
for name in _s3fs _gcsfs _azurefs _hdfs _orc _dataset_orc _substrait _pyarrow_cpp_tests; do
    rm -f "$packages/pyarrow/$name".*.so
done
rm -f "$packages"/pyarrow/libarrow_s3.so*
# a wheel holds no links, so that a library with three names is in it three times; the loader asks for the middle one
for short in "$packages"/pyarrow/libarrow_python*.so; do
    [ -e "$short" ] || continue
    for long in "$short".*.*; do rm -f "$long"; done
    rm -f "$short"
done

# what only a debugger asks for: 30 MB. Not of libraries that were patched into their wheels (in *.libs): those break.
for name in pyarrow cryptography sqlalchemy python_calamine msgspec; do
    [ -d "$packages/$name" ] && find "$packages/$name" -type f -name '*.so*' -exec strip --strip-unneeded {} +
done

# of the base image: its package managers, its installers of Python packages, documents
rm -rf /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info /usr/share/perl* /usr/lib/*/perl-base \
    /usr/lib/apt /usr/share/zoneinfo /var/lib/apt /var/cache/apt /var/cache/debconf /var/lib/dpkg/info /var/log/* /usr/bin/apt* /usr/bin/perl* \
    /usr/bin/dpkg* /usr/lib/dpkg /usr/share/python-wheels /usr/bin/x86_64-linux-gnu-* /usr/bin/strip /usr/lib/*/libbfd* /usr/lib/*/libopcodes* \
    /usr/lib/*/libctf* /usr/lib/*/libgprofng* /usr/lib/*/ldscripts /usr/lib/*/bfd-plugins
for library in /usr/local/lib/python3* /usr/lib/python3*; do
    [ -d "$library" ] || continue
    rm -rf "$library/ensurepip" "$library/idlelib" "$library/lib2to3" "$library/turtledemo" "$library/tkinter" \
        "$library"/config-* "$library"/site-packages/pip* "$library"/site-packages/setuptools* \
        "$library"/site-packages/wheel* "$library"/pydoc_data
done
