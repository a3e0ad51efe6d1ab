# What is handed out: dist/ holds a Debian package, a tarball that runs on other distributions, a container
# image, their checksums. Made and tried on Debian 12, as root.

PACKAGING_PACKAGES := debhelper fakeroot patchelf xz-utils
IMAGE_PACKAGES := debootstrap umoci
# What the check of the packages itself needs.
CHECK_PACKAGES := curl debootstrap jq lintian man-db mandoc python3-yaml umoci

TREE := m2fp-$(VERSION)-linux-x86_64
DEB := dist/m2fp_$(VERSION)_amd64.deb
# Where the release will lie, for the installer: the release workflow says it.
RELEASE_URL ?=

.PHONY: version tarball deb image release-check checksums

version:
	@echo $(VERSION)

tarball: stage
	$(call install,$(PACKAGING_PACKAGES))
	rm -rf .build/$(TREE) && cp -R $(STAGE) .build/$(TREE)
	packaging/bundle.sh .build/$(TREE) all
	install packaging/install-tree.sh .build/$(TREE)/install
	mkdir -p dist
	tar --create --directory .build --owner 0 --group 0 --sort name --mtime @$(SOURCE_DATE) $(TREE) | \
	  xz --threads 2 >dist/$(TREE).tar.xz
	sha256=$$(sha256sum dist/$(TREE).tar.xz | cut --delimiter ' ' --fields 1); \
	  sed -e "s#@VERSION@#$(VERSION)#; s#@RELEASE@#$(RELEASE_URL)#; s#@SHA256@#$$sha256#" \
	  packaging/install.sh >dist/install.sh
	@$(MAKE) --no-print-directory checksums

# Of the last commit, so that the same sources give the same archive.
SOURCE_DATE := $(or $(shell git log -1 --format=%ct 2>/dev/null),0)

DEBIAN := .build/deb/m2fp-$(VERSION)/debian
deb: stage
	$(call install,$(PACKAGING_PACKAGES))
	rm -rf .build/deb && mkdir -p .build/deb/m2fp-$(VERSION)
	cp -R packaging/debian $(DEBIAN)
	cp -R $(STAGE) $(DEBIAN)/installed
	packaging/bundle.sh $(DEBIAN)/installed torch
	for unit in service timer; do \
	  sed 's#/usr/local/bin#/usr/bin#; 1,/^$$/{/^#/d}' Examples/recipes/m2fp.$$unit >$(DEBIAN)/m2fp.$$unit; done
	cp packaging/m2fp-serve.service $(DEBIAN)/m2fp.m2fp-serve.service
	packaging/changelog.sh $(VERSION) $(SOURCE_DATE) <CHANGELOG.md >$(DEBIAN)/changelog
	cd .build/deb/m2fp-$(VERSION) && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps
	mkdir -p dist && mv .build/deb/*.deb dist
	@$(MAKE) --no-print-directory checksums

image: deb
	$(call install,$(IMAGE_PACKAGES))
	packaging/image.sh $(DEB) dist/m2fp-$(VERSION)-image.tar
	@$(MAKE) --no-print-directory checksums

checksums:
	cd dist && sha256sum $$(ls | grep -v SHA256SUMS) >SHA256SUMS

# All three, out of a clone of what is committed, and run where there is nothing but what they ask for. The clone
# keeps what it has built for the next time.
CLONE := .build/release-check
release-check: export BARE := $(CURDIR)/.build/bare.tar
release-check:
	$(call install,$(CHECK_PACKAGES))
	test -d $(CLONE) || git clone --quiet . $(CLONE)
	git -C $(CLONE) fetch --quiet origin HEAD && git -C $(CLONE) reset --quiet --hard FETCH_HEAD
	git -C $(CLONE) clean -ffdxq --exclude .build
	$(MAKE) -C $(CLONE) tarball image
	packaging/check.sh $(CLONE)/dist
