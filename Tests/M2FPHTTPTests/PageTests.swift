import Foundation
import M2FPCore
import M2FPImageIO
import M2FPServe
import TestSupport
import Testing

@testable import M2FPHTTP

/// The page in Debian's Chromium, by `make serve-check`: a browser beside all other tests is too slow
/// for its waits.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["SERVE_CHECK"] != nil))
struct PageTests {
  @Test(.timeLimit(.minutes(5))) func issue18ThePageShowsWhatTheMapHolds() async throws {
    let fixture = try await HTTPFixture()
    let browser = try await Browser()
    let folder = try TemporaryFolder()
    let photo = try HTTPFixture.photo()
    let path = try folder.write("a photo.png", photo)
    try await browser.open("http://127.0.0.1:\(fixture.port)/")
    try await browser.type(path, into: "#choose")
    try await browser.wait(for: "return shown !== null")

    // Under the pointer is what the map says, pixel by pixel.
    let map = try ImageDecoder.labels(
      [UInt8](try await fixture.post("/v1/parse?output=map", photo).body))
    for (x, y) in [(1, 1), (20, 3), (38, 13), (5, 16), (20, 28), (39, 29)] {
      let text = try #require(
        try await browser.run(
          """
          const box = stage.getBoundingClientRect();
          const at = (pixel, from) => from + (pixel + 0.5) * view.scale * shown.drawn;
          stage.dispatchEvent(new PointerEvent("pointermove", {
            clientX: at(\(x), box.left + view.x), clientY: at(\(y), box.top + view.y) }));
          return under.textContent;
          """) as? String)
      let label = Int(map.pixels[y * map.width + x])
      #expect(text.hasPrefix("Class-\(label), person 1"), "\(x), \(y): \(text)")
    }
    let values = try await browser.run("return [...shown.map.values]") as? [Int]
    #expect(values == map.pixels.map(Int.init))

    // Keys alone.
    let pixels =
      "const c = picture; return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.join()"
    let all = try await browser.run(pixels) as? String
    try await browser.type("1", into: "body")
    #expect(try await browser.run(pixels) as? String != all, "a class is hidden")
    try await browser.type("1", into: "body")
    #expect(try await browser.run(pixels) as? String == all, "and shown again")
    try await browser.type("m", into: "body")
    #expect(try await browser.run("return mode()") as? String == "map")
    try await browser.type("?", into: "body")
    #expect(try await browser.run("return keys.open") as? Bool == true)

    // Nothing was asked of others, and nothing was complained of.
    let asked = try #require(
      try await browser.run(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)")
        as? [String])
    let own = ["http://127.0.0.1:\(fixture.port)/", "blob:http://127.0.0.1:\(fixture.port)/"]
    #expect(asked.allSatisfy { name in own.contains { name.hasPrefix($0) } }, "\(asked)")
    let messages = try await browser.messages().filter { !$0.contains("willReadFrequently") }
    #expect(messages.isEmpty, "\(messages)")
    #expect(
      try await browser.run("return document.documentElement.scrollWidth <= innerWidth") as? Bool
        == true)
    await browser.close()
    await fixture.stop()
  }

  @Test(.timeLimit(.minutes(5))) func issue18WhatIsCancelledIsDropped() async throws {
    let fixture = try await HTTPFixture()
    let browser = try await Browser()
    let folder = try TemporaryFolder()
    fixture.gate.set(open: false)
    let paths = try (1...2).map { try folder.write("\($0).png", HTTPFixture.photo($0)) }
    try await browser.open("http://127.0.0.1:\(fixture.port)/")
    try await browser.type(paths.joined(separator: "\n"), into: "#choose")
    try await browser.wait(
      for:
        "return photos.length === 2 && photos.every((photo) => photo.job) && photos[1].state === 'queued'"
    )
    _ = try await browser.run("document.querySelectorAll('.drop-it')[1].click()")
    try await eventually { fixture.service.metrics.cancelled("queued") == 1 }
    fixture.gate.set(open: true)
    try await browser.wait(for: "return photos.length === 1 && photos[0].state === 'done'")
    await browser.close()
    await fixture.stop()
  }

  /// Before there is a photo, with one, and with the list of keys, at both widths and in both themes.
  @Test(.timeLimit(.minutes(5))) func issue18AxeFindsNothing() async throws {
    let axe = try String(contentsOfFile: Browser.axe, encoding: .utf8)
    let fixture = try await HTTPFixture()
    let browser = try await Browser()
    let folder = try TemporaryFolder()
    let photo = try folder.write("a photo.png", HTTPFixture.photo())
    for (theme, width) in [("light", 1280), ("dark", 320), ("light", 320), ("dark", 1280)] {
      try await browser.look(theme: theme, width: width)
      try await browser.open("http://127.0.0.1:\(fixture.port)/")
      _ = try await browser.run(axe)
      for state in ["empty", "shown", "keys"] {
        if state == "shown" {
          try await browser.type(photo, into: "#choose")
          try await browser.wait(for: "return shown !== null")
        } else if state == "keys" {
          try await browser.type("?", into: "body")
        }
        _ = try await browser.run(
          "window.found = null; axe.run().then((result) => { window.found = result; });")
        try await browser.wait(for: "return window.found !== null")
        let violations = try await browser.run(
          """
          return window.found.violations.flatMap(({ id, nodes }) =>
            nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`));
          """)
        #expect(violations as? [String] == [], "\(theme), \(width), \(state)")
        let passes = try await browser.run("return window.found.passes.length") as? Int
        #expect(try #require(passes) > 10)
      }
    }
    await browser.close()
    await fixture.stop()
  }
}

/// Chromium, driven through the W3C's WebDriver.
private final class Browser: Sendable {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private let driver: ChildProcess
  private let port: Int
  private let session: String

  init() async throws {
    let driver = try ChildProcess("chromedriver", ["--port=0"])
    self.driver = driver
    try await driver.wait { driver.output.contains("successfully on port ") }
    let text = driver.output.components(separatedBy: "successfully on port ")[1]
    port = try #require(Int(text.prefix { $0.isNumber }))
    let options: [String: Any] = [
      "binary": "/usr/bin/chromium",
      "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"],
    ]
    let capabilities: [String: Any] = [
      "browserName": "chrome", "goog:chromeOptions": options,
      "goog:loggingPrefs": ["browser": "ALL"],
    ]
    let answer = try await Self.ask(
      port, "POST", "/session", ["capabilities": ["alwaysMatch": capabilities]])
    session = try #require(answer["sessionId"] as? String)
  }

  /// It takes no notice of SIGTERM.
  deinit { driver.send(SIGKILL) }

  func close() async {
    _ = try? await Self.ask(port, "DELETE", "/session/\(session)", nil)
  }

  /// axe-core, which `make serve-check` installs.
  static let axe = ".build/serve-check/axe.min.js"

  func open(_ url: String) async throws { _ = try await ask("/url", ["url": url]) }

  /// Shows pages as in a window of this width, in a theme.
  func look(theme: String, width: Int) async throws {
    for (command, parameters) in [
      (
        "Emulation.setEmulatedMedia",
        ["features": [["name": "prefers-color-scheme", "value": theme]]] as [String: Any]
      ),
      (
        "Emulation.setDeviceMetricsOverride",
        ["width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false]
      ),
    ] {
      _ = try await ask("/goog/cdp/execute", ["cmd": command, "params": parameters])
    }
  }

  /// Types a text, or chooses the files that it names.
  func type(_ text: String, into selector: String) async throws {
    let element = try await ask("/element", ["using": "css selector", "value": selector])
    let id = try #require((element["value"] as? [String: String])?.values.first)
    _ = try await ask("/element/\(id)/value", ["text": text])
  }

  /// Runs a script in the page.
  ///
  /// - Returns: What the script returns.
  func run(_ script: String) async throws -> Any? {
    let arguments: [String] = []
    return try await ask("/execute/sync", ["script": script, "args": arguments])["value"]
  }

  func wait(for condition: String) async throws {
    for _ in 0..<1200 {
      if try await run(condition) as? Bool == true { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw Failure(description: "\(condition): not within a minute; \(try await messages())")
  }

  /// What is on the browser's console.
  func messages() async throws -> [String] {
    let list = try await ask("/se/log", ["type": "browser"])["value"] as? [[String: Any]] ?? []
    return list.compactMap { $0["message"] as? String }
  }

  private func ask(_ path: String, _ body: [String: Any]) async throws -> [String: Any] {
    try await Self.ask(port, "POST", "/session/\(session)\(path)", body)
  }

  /// Asks the driver; what it answers, with the inner object of a session in place of the outer.
  private static func ask(
    _ port: Int, _ method: String, _ path: String, _ body: [String: Any]?
  ) async throws -> [String: Any] {
    let data = try body.map { try JSONSerialization.data(withJSONObject: $0) } ?? Data()
    let answer = try await onOwnThread {
      try Connection(port: port, patience: 120).request(method, path, body: data)
    }
    guard answer.status == 200 else { throw Failure(description: answer.text) }
    if let value = answer.json["value"] as? [String: Any], value["sessionId"] != nil {
      return value
    }
    return answer.json
  }
}
