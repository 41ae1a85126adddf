#!/bin/sh
# A Debian package of what make install installs: build/carnot_VERSION_ARCH.deb. The same commit gives the
# same bytes.
set -eu
cd "$(dirname "$0")/.."
command -v dpkg-shlibdeps >/dev/null 2>&1 || { echo "deb: dpkg-dev is missing (apt-get install dpkg-dev)" >&2; exit 1; }
version=$(make -s print-VERSION)
arch=$(dpkg --print-architecture)
root=build/deb/root
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Makefile)
export SOURCE_DATE_EPOCH
rm -rf build/deb
mkdir -p $root/DEBIAN $root/usr/share/doc/carnot build/deb/debian
make -s install DESTDIR="$PWD/$root" PREFIX=/usr LIBDIR="/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)"
strip --strip-unneeded $root/usr/bin/carnot $root/usr/lib/*/libcarnot.so.*.*.*
strip --strip-debug $root/usr/lib/*/libcarnot.a
gzip -9n $root/usr/share/man/man1/*.1
cp LICENSE $root/usr/share/doc/carnot/copyright
cp -r README.md CHANGELOG.md docs examples bench/plans $root/usr/share/doc/carnot/
# dpkg-shlibdeps wants a source package around it.
echo 'Source: carnot' >build/deb/debian/control
depends=$(cd build/deb && dpkg-shlibdeps -O root/usr/bin/carnot root/usr/lib/*/libcarnot.so.*.*.* 2>/dev/null |
    sed -n 's/^shlibs:Depends=//p')
cat >$root/DEBIAN/control <<END
Package: carnot
Version: $version
Architecture: $arch
Maintainer: Carnot maintainers <carnot@localhost>
Depends: $depends
Installed-Size: $(du -sk $root/usr | cut -f1)
Section: science
Priority: optional
Description: runs GGUF language models and says what every token costs in joules
 Inference on the CPU with quantised weights, and measurement of the energy of each phase, operation and
 format, beside the limit of the machine. Holds the program, the library with its header, and a small model.
END
(cd $root && find usr -type f -print0 | sort -z | xargs -0 md5sum) >$root/DEBIAN/md5sums
echo "activate-noawait ldconfig" >$root/DEBIAN/triggers
find $root -type d -exec chmod 755 {} +
dpkg-deb --root-owner-group --build $root "build/carnot_${version}_$arch.deb"
