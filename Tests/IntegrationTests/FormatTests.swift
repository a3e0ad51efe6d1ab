import Foundation
import M2FPImageIO
import TestSupport
import Testing

/// Runs over photos of every format.
struct FormatTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private static let photos = [
    "baseline-420.jpg", "rgb-8bit.png", "lossy.webp", "plain.heic", "plain.avif", "rgb-tiles.tiff",
    "lossy.jxl", "palette.gif", "rgb.bmp",
  ]

  private func add(_ photos: [String]) throws {
    for photo in photos { try folder.write("in/" + photo, Fixtures.data("images/" + photo)) }
  }

  @Test func eachFormatIsParsed() async throws {
    try add(Self.photos)
    let result = try await parse("in", "--naming", "full", "--json")
    #expect(result.code == 0, "\(result.error)")
    #expect(result.summary?.parsed == Self.photos.count)
    var formats: Set<String> = []
    for photo in Self.photos {
      let sidecar = try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: folder.path("in/\(photo).m2fp.json"))))
      let input = (sidecar as? [String: Any])?["input"] as? [String: Any]
      formats.insert(try #require(input?["format"] as? String))
    }
    #expect(formats == Set(ImageFormat.allCases.map(\.rawValue)))
  }

  /// What the dynamic linker tells of the libraries that it is asked for.
  @Test func aLibraryIsOpenedByTheFirstPhotoThatNeedsIt() async throws {
    let names = ["libwebp", "libheif", "libtiff", "libjxl", "libgif"]
    func opened() async throws -> [String] {
      let run = try await parse("in", "--force", environment: ["LD_DEBUG": "files"])
      #expect(run.code == 0)
      return names.filter { run.error.contains("calling init: /") && run.error.contains("/\($0)") }
    }
    try add(["baseline-420.jpg", "rgb-8bit.png", "rgb.bmp"])
    #expect(try await opened().isEmpty)
    try add(["palette.gif"])
    #expect(try await opened() == ["libgif"])
  }
}
