import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import TestSupport
import Testing

@testable import M2FPBatch
@testable import M2FPExport

/// Each format read back by its own reader.
@Suite struct FormatTests {
  @Test func pycocotoolsReadsTheInstances() async throws {
    let fixture = try ExportFixture()
    #expect(try fixture.export(.coco, "coco.json") == Exporter.Summary(photos: 6))
    let count = try await fixture.read(
      "coco.json",
      """
      import contextlib, io
      import pycocotools.mask as rle
      from pycocotools.coco import COCO
      with contextlib.redirect_stdout(io.StringIO()):
          coco = COCO(export)
      same("names", [c["name"] for c in coco.loadCats(coco.getCatIds())],
           ["Hat", "Hair", "Face", "Left-arm", "person"])
      person = coco.getCatIds(catNms=["person"])[0]
      images = {os.path.splitext(i["file_name"])[0]: i for i in coco.loadImgs(coco.getImgIds())}
      checked = 0
      for name, sidecar, labels, persons in results():
          image = images.pop(name)
          same("size", (image["height"], image["width"]), labels.shape)
          wanted = {(person, p, 0) for p in np.unique(persons[persons > 0])}
          wanted |= {(c, p, int(p == 0)) for c, p in np.unique(
              np.stack([labels[labels > 0], persons[labels > 0]]), axis=1).T}
          found = set()
          for note in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])):
              category, owner = note["category_id"], note.get("person_id", 0)
              found.add((category, owner, note["iscrowd"]))
              mask = coco.annToMask(note)
              expected = persons == owner
              if category != person:
                  expected = expected & (labels == category)
              same(f"{name} {category} {owner}", mask, expected)
              encoded = note["segmentation"]
              same("area", note["area"], rle.area(encoded))
              same("box", note["bbox"], rle.toBbox(encoded))
              if owner > 0 and category == person:
                  assert note["score"] == sidecar["persons"][owner - 1]["score"]
              checked += 1
          same("objects", sorted(found), sorted(wanted))
      assert not images
      ids = coco.getAnnIds()
      same("ids", ids, range(1, len(ids) + 1))
      print(checked)
      """)
    #expect(Int(count) ?? 0 > 60)
  }

  /// As CIHP's evaluator reads it: line n of the text is the part whose pixels are n.
  @Test func theChallengeLayoutIsReadAsItsEvaluatorDoes() async throws {
    let fixture = try ExportFixture()
    #expect(try fixture.export(.lip, "lip") == Exporter.Summary(photos: 6))
    let count = try await fixture.read(
      "lip",
      """
      checked = 0
      assert sorted(n for n in os.listdir(export) if n[0] != ".") == ["global_parsing", "instance_parsing"]
      for name, sidecar, labels, persons in results():
          same(name, pixels(f"{export}/global_parsing/{name}.png"), labels)
          parts = pixels(f"{export}/instance_parsing/{name}.png")
          lines = open(f"{export}/instance_parsing/{name}.txt").read().splitlines()
          same("numbers", np.unique(parts[parts > 0]), np.arange(1, len(lines) + 1))
          owners = [(p, part) for p in sidecar["persons"] for part in p["parts"]]
          assert len(owners) == len(lines)
          for number, (line, (owner, part)) in enumerate(zip(lines, owners), 1):
              index, score = line.split(" ")
              assert int(index) == part["index"] and abs(float(score) - part["score"]) < 1e-6
              same(line, parts == number, (labels == int(index)) & (persons == owner["id"]))
              checked += 1
      print(checked)
      """)
    #expect(Int(count) ?? 0 > 40)
  }

  /// As Ultralytics reads it (`polygon2mask`): points times the size, cut to whole pixels, filled.
  @Test func filledPolygonsAreTheMasks() async throws {
    let fixture = try ExportFixture()
    #expect(try fixture.export(.yolo, "yolo") == Exporter.Summary(photos: 6))
    let counts = try await fixture.read(
      "yolo",
      """
      import cv2
      names = [line.split(": ")[1].strip('"') for line in open(export + "/data.yaml").read().splitlines()
               if line.startswith("  ")]
      same("names", names, ["Hat", "Hair", "Face", "Left-arm", "person"])
      exact, joined, holes = 0, 0, 0
      for name, sidecar, labels, persons in results():
          copy = f"{export}/images/{name}.png"
          assert not os.path.islink(copy)
          same("photo", pixels(copy), pixels(f"{folder}/photos/{name}.png"))
          masks = [(4, persons == p["id"]) for p in sidecar["persons"]]
          for owner in [1, 2, 3, 0]:
              masks += [(c - 1, (labels == c) & (persons == owner)) for c in range(1, 5)]
          masks = [(c, m.astype(np.uint8)) for c, m in masks if m.any()]
          lines = open(f"{export}/labels/{name}.txt").read().splitlines()
          assert len(lines) == len(masks), (len(lines), len(masks))
          for line, (category, mask) in zip(lines, masks):
              first, *numbers = line.split(" ")
              assert int(first) == category and len(numbers) >= 6 and len(numbers) % 2 == 0
              points = np.array(numbers, dtype=np.float32).reshape(-1, 2)
              assert points.min() >= 0 and points.max() <= 1
              points = (points * [mask.shape[1], mask.shape[0]]).astype(np.int32)
              filled = cv2.fillPoly(np.zeros_like(mask), [points], 1)
              parts = cv2.connectedComponents(mask, connectivity=8)[0] - 1
              holes += cv2.connectedComponents(1 - np.pad(mask, 1), connectivity=4)[0] > 2
              assert not (mask & ~filled & 1).any(), f"{name} {line[:20]}: pixels are missing"
              if parts == 1:
                  same(f"{name} {line[:20]}", filled, mask)
                  exact += 1
              else:
                  # No more than the lines from part to part, which are a pixel wide.
                  extra = filled & ~mask & 1
                  assert extra.sum() <= (parts - 1) * np.hypot(*mask.shape), (name, line[:20])
                  assert parts > 3 or not cv2.erode(extra, np.ones((3, 3), np.uint8)).any()
                  joined += 1
      print(exact, joined, holes)
      """)
    let numbers = counts.split(separator: " ").compactMap { Int($0) }
    try #require(numbers.count == 3)
    #expect(numbers[0] >= 3 && numbers[1] > 20 && numbers[2] > 20, "\(counts)")
  }

  /// As Ultralytics finds images and labels (`check_det_dataset` and `img2label_paths` in its
  /// `data/utils.py`), from another folder, and when the export has been moved and the photos are gone.
  @Test func issue17TheYOLOExportIsFoundFromElsewhereAndAfterAMove() async throws {
    let fixture = try ExportFixture()
    try fixture.export(.yolo, "yolo")
    let folder = fixture.folder
    try FileManager.default.moveItem(atPath: folder.path("yolo"), toPath: folder.path("moved"))
    try FileManager.default.moveItem(atPath: folder.path("photos"), toPath: folder.path("gone"))
    let found = try await fixture.read(
      "moved",
      """
      from pathlib import Path
      os.chdir("/")
      data = {}
      for line in open(export + "/data.yaml"):
          if not line.startswith(" "):
              key, value = line.rstrip().split(":", 1)
              data[key] = value.strip()
      path = Path(data.get("path") or Path(export + "/data.yaml").parent)
      assert path.is_absolute()
      images = sorted(p for p in (path / data["train"]).glob("**/*.*") if p.is_file())
      a, b = os.sep + "images" + os.sep, os.sep + "labels" + os.sep
      for image in images:
          label = b.join(str(image).rsplit(a, 1)).rsplit(".", 1)[0] + ".txt"
          assert os.path.isfile(label), label
          Image.open(image).load()
      print(len(images))
      """)
    #expect(found == "6")
  }

  @Test func labelMapsArePlain() async throws {
    let fixture = try ExportFixture()
    #expect(try fixture.export(.labels, "labels") == Exporter.Summary(photos: 6))
    let count = try await fixture.read(
      "labels",
      """
      for number, (name, _, labels, _) in enumerate(results(), 1):
          image = Image.open(f"{export}/{name}.png")
          assert image.mode == "L"
          same(name, np.array(image), labels)
      assert open(export + "/classes.txt").read().split() == ["Background", "Hat", "Hair", "Face", "Left-arm"]
      print(number)
      """)
    #expect(count == "6")
  }

  /// The page's own script and style, and nothing else that may come to stand in it; beside a folder's page
  /// its pictures.
  @Test(arguments: [("sheet.html", "data:"), ("sheet", "'self' file:")])
  func issue17TheSheetRunsItsOwnScriptAlone(name: String, pictures: String) async throws {
    let fixture = try ExportFixture()
    try fixture.export(.sheet, name)
    let text = try await fixture.read(
      name,
      #"""
      import base64, hashlib, re
      if os.path.isdir(export): export += "/index.html"
      text = open(export, newline="").read()
      policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)[1]
      rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
      assert rules["default-src"] == "'none'" and rules["base-uri"] == "'none'"
      for tag, rule in (("script", "script-src"), ("style", "style-src")):
          inner, = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
          digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
          same(rule, rules[rule], f"'sha256-{digest}'")
      assert text.index("Content-Security-Policy") < text.index("<style>")
      handlers = len(re.findall(r"<[^>]*\s(?:on[a-z]+|style)=", text))
      print(handlers, rules["img-src"])
      """#)
    #expect(text == "0 \(pictures)", "handlers and styles within the page would not run")
  }

  /// One file, or a folder, with the same in it.
  @Test(arguments: ["sheet.html", "sheet"])
  func theSheetStandsAlone(name: String) async throws {
    let fixture = try ExportFixture()
    let failed = fixture.files[1].input.path
    let failure = FileFailure(
      stage: .decode, code: .corrupt, message: "</script><bad> & \"ugly\"")
    #expect(
      try fixture.export(.sheet, name, failures: [failed: failure])
        == Exporter.Summary(photos: 5, leftOut: 1))
    let text = try await fixture.read(
      name,
      """
      import base64, html.parser, io, urllib.parse
      one = os.path.isfile(export)
      page = export if one else export + "/index.html"
      place = os.fsencode(os.path.dirname(page))
      text = open(page).read()
      class Reader(html.parser.HTMLParser):
          open, json, words = [], "", ""
          def handle_starttag(self, tag, attributes):
              values = dict(attributes)
              assert not {"src", "href"} & set(values), tag
              if tag not in ("meta", "input"): self.open.append((tag, values.get("type")))
          def handle_endtag(self, tag):
              assert self.open.pop()[0] == tag, tag
          def handle_data(self, data):
              if self.open and self.open[-1] == ("script", "application/json"): self.json += data
              self.words += data
      reader = Reader()
      reader.feed(text)
      assert not reader.open, reader.open
      assert "made-up <&> model" in reader.words
      data = json.loads(reader.json)
      classes = [c["name"] for c in data["classes"]]
      def lies(address):
          path = os.path.join(place, urllib.parse.unquote_to_bytes(address))
          assert os.path.exists(path), address
          return path
      def picture(address):
          if not one:
              return Image.open(lies(address))
          kind, encoded = address.split(",")
          image = Image.open(io.BytesIO(base64.b64decode(encoded)))
          same("type", kind, f"data:image/{image.format.lower()};base64")
          return image
      photos = {p["name"]: p for p in data["photos"]}
      bad, = [photos.pop(n) for n, p in list(photos.items()) if "failure" in p]
      same("failure", bad["failure"], '</script><bad> & "ugly"')
      for name, sidecar, labels, persons in results():
          if name + ".png" not in photos: continue
          photo = photos.pop(name + ".png")
          same("size", (photo["height"], photo["width"]), labels.shape)
          same("photo", os.path.realpath(lies(photo["address"])), os.path.realpath(os.fsencode(f"{folder}/photos/{name}.png")))
          for output in photo["outputs"]: lies(photo["front"] + urllib.parse.quote(output))
          for entry in photo["shares"]:
              assert abs(entry["share"] - (labels == entry["index"]).mean()) < 1e-5
          # Small photos are shown as they are: the map's grey is in the class's part of the scale.
          levels = np.array(picture(photo["map"]))
          same("map", levels.astype(int) * len(classes) // 255, labels)
          shown = picture(photo["personMap"])
          same("persons", np.array(shown), persons)
          assert shown.info["transparency"] == 0 or shown.info["transparency"][0] == 0
          image = picture(photo["photo"])
          assert image.format == "JPEG" and image.size == labels.shape[::-1]
          image.load()
      print(len(photos))
      """)
    #expect(text == "0")
  }

  /// What lies beside the page is as large as it is shown, and no larger.
  @Test func issue19ThumbnailsOfLargePhotosAreSmall() throws {
    let map = LabelMap(width: 4, height: 2, pixels: [0, 0, 1, 1, 2, 2, 3, 3])
    #expect(map.sampled(width: 2, height: 1).pixels == [2, 3])
    #expect(map.sampled(width: 4, height: 2).pixels == map.pixels)
  }

  /// Two photos whose pictures would be named alike in one folder.
  @Test func issue19PicturesOfASheetDoNotCollide() async throws {
    let fixture = try ExportFixture(count: 2)
    try fixture.export(.sheet, "sheet")
    let names = try FileManager.default.subpathsOfDirectory(atPath: fixture.folder.path("sheet"))
    #expect(
      names.filter { !$0.hasPrefix(".") }.sorted() == [
        "index.html", "maps", "maps/a0.png", "maps/sub", "maps/sub/b1.png", "persons",
        "persons/a0.png", "persons/sub", "persons/sub/b1.png", "photos", "photos/a0.jpeg",
        "photos/sub", "photos/sub/b1.jpeg",
      ])
  }
}
