import Foundation
import Logging
import M2FPBatch
import M2FPCore
import M2FPImageIO
import M2FPServe
import SystemPackage
import TestSupport
import Testing

@testable import M2FPHTTP

struct HTTPServerTests {
  @Test func aPhotoIsAnsweredInEveryForm() async throws {
    let fixture = try await HTTPFixture()
    let photo = try HTTPFixture.photo()
    let map = try await fixture.post("/v1/parse", photo)
    #expect(map.status == 200 && map.isPNG && map.fields["content-type"] == "image/png")
    #expect(map.fields["x-m2fp-cache"] == "miss" && map.fields["cache-control"] == "no-store")
    #expect(map.fields["x-content-type-options"] == "nosniff")
    #expect(map.fields["server-timing"]?.contains("infer;dur=") == true)
    let json = try await fixture.post(
      "/v1/parse?name=%61+%2dz%z%+f.png", photo, ["Accept": "application/json"])
    #expect((json.json["input"] as? [String: Any])?["name"] as? String == "a-zzf.png")
    #expect(json.fields["content-disposition"] == "inline; filename=\"a-zzf.m2fp.json\"")
    let dates = DateFormatter()
    dates.locale = Locale(identifier: "en_US_POSIX")
    dates.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
    let date = try #require(json.fields["date"].flatMap { dates.date(from: $0) })
    #expect(abs(date.timeIntervalSinceNow) < 60)
    let overlay = try await fixture.post("/v1/parse?output=overlay", photo)
    #expect(overlay.body.starts(with: [0xFF, 0xD8]))
    let obscured = try await fixture.post("/v1/parse?output=obscured&blur=class-13", photo)
    #expect(obscured.body.starts(with: [0xFF, 0xD8]))
    #expect(try await fixture.post("/v1/parse?output=persons", photo).isPNG)
    #expect(try await fixture.post("/v1/parse?output=cutout&cutout=class-13", photo).isPNG)
    let zip = try await fixture.post("/v1/parse?output=zip", photo)
    #expect(zip.body.starts(with: Data("PK".utf8)))
    let parts = try await fixture.post("/v1/parse?output=multipart", photo)
    #expect(parts.fields["content-type"]?.hasPrefix("multipart/mixed; boundary=") == true)
    await fixture.stop()
  }

  @Test func masksAreThereWhereTheClassIs() async throws {
    let fixture = try await HTTPFixture()
    let photo = try HTTPFixture.photo()
    #expect(try await fixture.post("/v1/parse?output=mask:class-13", photo).isPNG)
    let absent = try await fixture.post("/v1/parse?output=mask:class-7", photo)
    #expect(absent.status == 404 && absent.code == "class-not-present")
    #expect(absent.json["title"] as? String == "Not Found")
    #expect(absent.fields["content-type"] == "application/problem+json")
    await fixture.stop()
  }

  @Test func formsAreTaken() async throws {
    let fixture = try await HTTPFixture()
    let photo = try HTTPFixture.photo()
    let type = ["Content-Type": "multipart/form-data; boundary=xyz"]
    let answer = try await fixture.post(
      "/v1/parse",
      .form(photo, filename: "../me.png", fields: [("masks", "class-13"), ("output", "json")]), type
    )
    #expect((answer.json["input"] as? [String: Any])?["name"] as? String == "me.png")
    let none = try await fixture.post(
      "/v1/parse",
      Data("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xyz--\r\n".utf8),
      type)
    #expect(none.code == "no-photo")
    let two = try await fixture.post(
      "/v1/parse", Data.form(photo).dropLast("--xyz--\r\n".utf8.count) + Data.form(photo), type)
    #expect(two.code == "several-photos")
    let cut = try await fixture.post("/v1/parse", .form(photo).dropLast(30), type)
    #expect(cut.code == "bad-multipart")
    await fixture.stop()
  }

  @Test func whatIsNoPhotoIsToldWhy() async throws {
    let fixture = try await HTTPFixture()
    let photo = try HTTPFixture.photo()
    let cases: [(body: Data, status: Int, code: String)] = [
      (Data(), 422, "empty"), (Data("GIF89a".utf8), 422, "truncated"),
      (Data("hello".utf8), 415, "unknown-format"), (photo.prefix(60), 422, "truncated"),
      (
        try PNGEncoder.rgb(
          RGBImage(
            width: 1001, height: 1000, pixels: [UInt8](repeating: 0, count: 3_003_000))
        ).data, 413,
        "image-too-large"
      ),
    ]
    for (body, status, code) in cases {
      let answer = try await fixture.post("/v1/parse", body)
      #expect(answer.status == status && answer.code == code, "\(answer.text)")
    }
    #expect(fixture.gate.count == 2)
    // Each is accounted for.
    #expect(fixture.service.metrics.photos(.failed) == cases.count)
    await fixture.stop()
  }

  @Test func theRestOfTheTable() async throws {
    let fixture = try await HTTPFixture()
    #expect(try await fixture.get("/livez").text == "ok\n")
    #expect(try await fixture.get("/readyz").text == "ok\n")
    #expect(try await fixture.get("/readyz?free=1").status == 200)
    let health = try await fixture.get("/health")
    #expect(health.text == "{\"model_loaded\":true,\"status\":\"healthy\"}\n")
    let model = try await fixture.get("/v1/model")
    #expect(model.json["name"] as? String == "fake")
    #expect((model.json["classes"] as? [[String: Any]])?.count == 20)
    #expect(try await fixture.get("/v1/status").json["phase"] as? String == "ready")
    let specification = try await fixture.get("/openapi.json")
    #expect(specification.json["openapi"] as? String == "3.1.0")
    let page = try await fixture.get("/")
    #expect(page.text.lowercased().hasPrefix("<!doctype html>"))
    #expect(page.fields["content-security-policy"] == Page.policy)
    for file in Page.files.keys { #expect(try await fixture.get("/" + file).status == 200) }
    await fixture.stop()
  }

  @Test func whatIsNotThereIsTold() async throws {
    let fixture = try await HTTPFixture()
    for path in ["/nothing", "//livez", "/livez/", "/v1/parse/", "/v1/jobs/j_0", "/../livez"] {
      #expect(try await fixture.get(path).status == 404, "\(path)")
    }
    let wrong = try await fixture.get("/v1/parse")
    #expect(wrong.status == 405 && wrong.fields["allow"] == "POST" && wrong.code == "method")
    let head = try await fixture.request("HEAD", "/v1/model")
    #expect(head.status == 200 && Int(head.fields["content-length"] ?? "") ?? 0 > 100)
    let coded = try await fixture.post(
      "/v1/parse", HTTPFixture.photo(), ["Content-Encoding": "gzip"])
    #expect(coded.status == 415 && coded.code == "content-encoding")
    #expect(
      try await fixture.post("/v1/parse?mask=all", HTTPFixture.photo()).code == "unknown-option")
    await fixture.stop()
  }

  @Test func strangersAreRefused() async throws {
    let fixture = try await HTTPFixture()
    #expect(try await fixture.get("/v1/model", ["Host": "evil.example"]).status == 421)
    #expect(try await fixture.get("/v1/model", ["Host": ""]).status == 400)
    let origin = try await fixture.post(
      "/v1/parse", HTTPFixture.photo(), ["Origin": "http://evil.example"])
    #expect(origin.status == 403 && origin.fields["access-control-allow-origin"] == nil)
    await fixture.stop()
  }

  @Test func tokensAreAskedFor() async throws {
    let token = String(repeating: "t", count: 40)
    var guardian = Guard()
    guardian.tokens = try TokenList("ann \(token)\nbob \(token)2") { RunFailure(.usage, $0) }
    let fixture = try await HTTPFixture(guardian: guardian)
    let photo = try HTTPFixture.photo()
    let refused = try await fixture.post("/v1/parse", photo)
    #expect(refused.status == 401 && refused.fields["www-authenticate"] == "Bearer")
    let ann = ["Authorization": "Bearer \(token)"]
    #expect(try await fixture.post("/v1/parse", photo, ann).status == 200)
    #expect(try await fixture.get("/livez").status == 200)
    let job = try await fixture.post("/v1/jobs", photo, ann)
    let location = try #require(job.fields["location"])
    #expect(try await fixture.get(location, ann).status == 200)
    // Another's job is none.
    #expect(
      try await fixture.get(location, ["Authorization": "Bearer \(token)2"]).status == 404)
    await fixture.stop()
  }

  @Test func jobsAreSubmittedPolledAndFetched() async throws {
    let fixture = try await HTTPFixture()
    fixture.gate.set(open: false)
    let submitted = try await fixture.post("/v1/jobs?output=json&name=a.png", HTTPFixture.photo())
    #expect(submitted.status == 202)
    let location = try #require(submitted.fields["location"])
    let result = try await fixture.get(location + "/result")
    #expect(
      result.status == 409 && result.code == "not-done" && result.fields["retry-after"] != nil)
    #expect(try await fixture.get(location + "?wait=x").status == 400)
    fixture.gate.set(open: true)
    var state: String?
    for _ in 0..<10 where state != "done" {
      state = try await fixture.get(location + "?wait=10").json["state"] as? String
    }
    #expect(state == "done")
    let json = try await fixture.get(location + "/result")
    #expect((json.json["input"] as? [String: Any])?["name"] as? String == "a.png")
    #expect(try await fixture.get(location + "/result?output=map").isPNG)
    let tag = try #require(json.fields["etag"])
    #expect(try await fixture.get(location + "/result", ["If-None-Match": tag]).status == 304)
    #expect(try await fixture.request("DELETE", location).status == 204)
    #expect(try await fixture.get(location).status == 404)
    // As a preference of parse.
    let preferred = try await fixture.post(
      "/v1/parse", HTTPFixture.photo(), ["Prefer": "respond-async"])
    #expect(preferred.status == 202)
    await fixture.stop()
  }

  @Test func aPhotoThatIsKnownNeedNotBeSent() async throws {
    let folder = try TemporaryFolder()
    let cache = try ResultCache(folder.filePath("cache"), limit: 1 << 30)
    let fixture = try await HTTPFixture(cache: cache)
    let photo = try HTTPFixture.photo()
    let first = try await fixture.post("/v1/parse?output=json", photo)
    let digest = try #require((first.json["input"] as? [String: Any])?["sha256"] as? String)
    // It is stored when it has been answered.
    try await eventually { (try? fixture.folderHasEntry(folder)) == true }
    let again = try await fixture.post("/v1/parse?output=json", photo)
    #expect(again.fields["x-m2fp-cache"] == "hit" && again.body == first.body)
    let known = try await fixture.get("/v1/results/\(digest)?output=json")
    #expect(known.status == 200 && known.body == first.body)
    #expect(try await fixture.get("/v1/results/\(String(repeating: "0", count: 64))").status == 404)
    #expect(try await fixture.get("/v1/results/\(digest)?persons=true").status == 404)
    await fixture.stop()
  }

  // MARK: - Limits

  @Test func aPhotoThatIsTooLargeIsRefusedUnread() async throws {
    let fixture = try await HTTPFixture(limits: { $0.photoBytes = 1000 })
    let answer = try await onOwnThread { [port = fixture.port] in
      let connection = try Connection(port: port)
      connection.send(
        "POST /v1/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n"
          + "Expect: 100-continue\r\n\r\n")
      return try connection.answer()
    }
    #expect(answer.status == 413 && answer.code == "file-too-large")
    let chunked = try await onOwnThread { [port = fixture.port] in
      let connection = try Connection(port: port)
      connection.send(
        "POST /v1/parse HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n"
          + String(repeating: "x", count: 2000) + "\r\n")
      return try connection.answer()
    }
    #expect(chunked.status == 413)
    try await eventually { fixture.service.isIdle }
    await fixture.stop()
  }

  @Test func curlNeedNotWaitToSend() async throws {
    let fixture = try await HTTPFixture()
    let photo = try HTTPFixture.photo()
    let codes = try await onOwnThread { [port = fixture.port] in
      let connection = try Connection(port: port)
      connection.send(
        "POST /v1/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(photo.count)\r\n"
          + "Expect: 100-continue\r\n\r\n")
      let first = try connection.answer().status
      connection.send(photo)
      return [first, try connection.answer().status]
    }
    #expect(codes == [100, 200])
    await fixture.stop()
  }

  @Test func aConnectionServesOneAfterTheOther() async throws {
    let fixture = try await HTTPFixture()
    let photo = try HTTPFixture.photo()
    let codes = try await onOwnThread { [port = fixture.port] in
      let connection = try Connection(port: port)
      var codes: [Int] = []
      for (method, path) in [
        ("POST", "/v1/parse"), ("GET", "/no"), ("POST", "/v1/parse?x=1"), ("GET", "/livez"),
      ] {
        codes.append(
          try connection.request(method, path, body: method == "POST" ? photo : Data()).status)
      }
      return codes
    }
    #expect(codes == [200, 404, 400, 200])
    await fixture.stop()
  }

  @Test func requestsCanBeSentAheadOfAnswers() async throws {
    let fixture = try await HTTPFixture()
    let photo = try HTTPFixture.photo()
    let (codes, body) = try await onOwnThread { [port = fixture.port] in
      let connection = try Connection(port: port)
      let post =
        "POST /v1/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(photo.count)\r\n\r\n"
      let get = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
      // Many of them, so that what lies ahead is more than one read.
      let rounds = 40
      let all = Data(post.utf8) + photo + Data(get.utf8) + Data(get.utf8)
      connection.send((0..<rounds).reduce(into: Data()) { data, _ in data += all })
      var codes: [Int] = []
      var body = ""
      for _ in 0..<rounds {
        codes.append(try connection.answer().status)
        codes.append(try connection.answer().status)
        body = try connection.answer().text
      }
      return (codes, body)
    }
    #expect(codes.count == 80 && codes.allSatisfy { $0 == 200 })
    #expect(body == "ok\n")
    await fixture.stop()
  }

  @Test(arguments: [("/v1/parse", 200), ("/v1/nothing", 404)])
  func aConnectionEndsWithItsLastRequest(_ path: String, _ status: Int) async throws {
    let fixture = try await HTTPFixture()
    // What nobody reads, too, and all of it.
    let body = status == 200 ? try HTTPFixture.photo() : Data(count: 800_000)
    let (answer, isEnded) = try await onOwnThread { [port = fixture.port] in
      let connection = try Connection(port: port)
      return (
        try connection.request("POST", path, ["Connection": "TE, Close"], body: body),
        connection.isEnded
      )
    }
    #expect(answer.status == status && answer.fields["connection"] == "close" && isEnded)
    await fixture.stop()
  }

  @Test func nonsenseBehindARequestEndsTheConnection() async throws {
    let fixture = try await HTTPFixture()
    let photo = try HTTPFixture.photo()
    let (status, isEnded) = try await onOwnThread { [port = fixture.port] in
      let connection = try Connection(port: port)
      connection.send(
        Data(
          "POST /v1/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(photo.count)\r\n\r\n"
            .utf8)
          + photo + Data("nonsense\r\n\r\n".utf8))
      return (try connection.answer().status, connection.isEnded)
    }
    #expect(status == 200 && isEnded)
    await fixture.stop()
  }

  @Test func aQueueThatIsFullSaysWhen() async throws {
    let fixture = try await HTTPFixture(limits: { $0.queue = 1 })
    fixture.gate.set(open: false)
    for number in 0..<2 {
      #expect(try await fixture.post("/v1/jobs", HTTPFixture.photo(number)).status == 202)
    }
    let refused = try await fixture.post("/v1/parse", HTTPFixture.photo(5))
    #expect(refused.status == 503 && refused.code == "overloaded")
    #expect(Int(refused.fields["retry-after"] ?? "") ?? 0 >= 1)
    #expect(try await fixture.get("/readyz").status == 200)
    #expect(try await fixture.get("/readyz?free=1").status == 503)
    #expect(try await fixture.get("/livez").status == 200)
    await fixture.stop()
  }

  @Test func memoryThatIsFullSaysWhen() async throws {
    let photos = try (0..<2).map { try HTTPFixture.photo($0) }
    let room = photos[0].count + photos[1].count - 1
    let fixture = try await HTTPFixture(limits: {
      $0.queueBytes = room
      $0.photoBytes = room
    })
    fixture.gate.set(open: false)
    #expect(try await fixture.post("/v1/jobs", photos[0]).status == 202)
    let refused = try await fixture.post("/v1/jobs", photos[1])
    #expect(refused.status == 503 && refused.code == "overloaded")
    #expect(try await fixture.get("/metrics").text.contains(#"{reason="bytes"} 1"#))
    await fixture.stop()
  }

  /// Who comes when all connections are taken waits until one of them ends.
  @Test func connectionsAreLimited() async throws {
    let fixture = try await HTTPFixture(options: { $0.connections = 2 })
    try await onOwnThread { [port = fixture.port] in
      let held = try (0..<2).map { _ in
        let connection = try Connection(port: port)
        #expect(try connection.request("GET", "/livez").status == 200)
        return connection
      }
      let late = try Connection(port: port, patience: 1)
      #expect(throws: NoAnswer.self) { try late.request("GET", "/livez") }
      late.close()
      #expect(try held[0].request("GET", "/livez").status == 200)
      held[1].close()
      #expect(try Connection(port: port).request("GET", "/livez").status == 200)
    }
    await fixture.stop()
  }

  /// Each that ends makes room for one, however many wait.
  @Test func theLimitOfConnectionsHoldsWhenOneEnds() async throws {
    let fixture = try await HTTPFixture(options: { $0.connections = 2 })
    try await onOwnThread { [port = fixture.port] in
      let held = try (0..<2).map { _ in try Connection(port: port) }
      for connection in held { #expect(try connection.request("GET", "/livez").status == 200) }
      let late = try (0..<3).map { _ in try Connection(port: port, patience: 1) }
      held[1].close()
      let answered = late.filter { (try? $0.request("GET", "/livez").status) == 200 }
      #expect(answered.count == 1)
      withExtendedLifetime(held) {}
    }
    await fixture.stop()
  }

  @Test func clientsOfATrustedProxyHaveSharesOfTheirOwn() async throws {
    var guardian = Guard()
    guardian.proxies = [.network(try #require(IPNetwork("127.0.0.0/8")))]
    let fixture = try await HTTPFixture(guardian: guardian, limits: { $0.perClient = 1 })
    fixture.gate.set(open: false)
    for (number, (client, status)) in [("1.1.1.1", 202), ("1.1.1.1", 429), ("2.2.2.2", 202)]
      .enumerated()
    {
      let answer = try await fixture.post(
        "/v1/jobs", HTTPFixture.photo(number), ["X-Forwarded-For": client])
      #expect(answer.status == status)
    }
    await fixture.stop()
  }

  @Test func aClientHasItsShare() async throws {
    let fixture = try await HTTPFixture(limits: { $0.perClient = 1 })
    fixture.gate.set(open: false)
    #expect(try await fixture.post("/v1/jobs", HTTPFixture.photo(0)).status == 202)
    let refused = try await fixture.post("/v1/jobs", HTTPFixture.photo(1))
    #expect(refused.status == 429 && refused.code == "client-limit")
    await fixture.stop()
  }

  @Test func whatTakesTooLongIsTold() async throws {
    let fixture = try await HTTPFixture()
    fixture.gate.set(open: false)
    let answer = try await fixture.post("/v1/parse?deadline=5", HTTPFixture.photo())
    #expect(answer.status == 504 && answer.code == "deadline")
    await fixture.stop()
  }

  @Test func whoHangsUpIsForgotten() async throws {
    let fixture = try await HTTPFixture()
    fixture.gate.set(open: false)
    let photos = try (0..<6).map { try HTTPFixture.photo($0) }
    try await onOwnThread { [port = fixture.port] in
      let connections = try photos.map { photo in
        let connection = try Connection(port: port)
        connection.send(
          Data(
            "POST /v1/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(photo.count)\r\n\r\n"
              .utf8)
            + photo)
        return connection
      }
      // They are closed with the last use that the optimiser sees.
      withExtendedLifetime(connections) {
        while fixture.service.snapshot.waiting != 5 { usleep(1000) }
      }
    }
    try await eventually { fixture.service.isIdle }
    #expect(fixture.service.metrics.photos(.cancelled) == 6)
    fixture.gate.set(open: true)
    #expect(try await fixture.post("/v1/parse", HTTPFixture.photo(9)).status == 200)
    // Two while it was loaded, the one in hand, and the last.
    #expect(fixture.gate.count == 4)
    await fixture.stop()
  }

  @Test func slowClientsAreDropped() async throws {
    let fixture = try await HTTPFixture(options: {
      $0.timeouts.head = 0.3
      $0.timeouts.body = 0.3
      $0.timeouts.keepAlive = 0.3
    })
    let port = fixture.port
    // Nothing, half a head, and nothing after an answer.
    #expect(try await onOwnThread { try Connection(port: port).isEnded })
    #expect(
      try await onOwnThread {
        let connection = try Connection(port: port)
        connection.send("GET /livez HTTP/1.1\r\nHost:")
        return connection.isEnded
      })
    #expect(
      try await onOwnThread {
        let connection = try Connection(port: port)
        return try connection.request("GET", "/livez").status == 200 && connection.isEnded
      })
    let late = try await onOwnThread {
      let connection = try Connection(port: port)
      connection.send(
        "POST /v1/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
      return try connection.answer()
    }
    #expect(late.status == 408 && late.code == "body-timeout")
    try await eventually { fixture.service.isIdle }
    await fixture.stop()
  }

  /// The time until the next request begins when the answer has been taken.
  @Test func whoReadsByAndByGetsTheWholeAnswer() async throws {
    let fixture = try await HTTPFixture(options: { $0.timeouts.keepAlive = 0.2 })
    let photo = try PNGEncoder.rgb(Photo.noise(width: 900, height: 900)).data
    let answer = try await onOwnThread { [port = fixture.port] in
      let connection = try Connection(port: port, window: 4096)
      connection.send(
        Data(
          "POST /v1/parse?output=overlay&overlay-format=png HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(photo.count)\r\n\r\n"
            .utf8) + photo)
      try connection.receive()
      usleep(600_000)
      return try connection.answer()
    }
    #expect(answer.status == 200 && answer.isPNG && answer.body.count > 2_000_000)
    await fixture.stop()
  }

  /// A client that does not read its answer holds nobody up.
  @Test func slowReadersAreDropped() async throws {
    let fixture = try await HTTPFixture(options: { $0.timeouts.write = 0.5 })
    let photo = try PNGEncoder.rgb(Photo.noise(width: 900, height: 900)).data
    let reader = try await onOwnThread { [port = fixture.port] in
      let connection = try Connection(port: port)
      for _ in 0..<6 {
        connection.send(
          Data(
            "POST /v1/parse?output=overlay&overlay-format=png HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(photo.count)\r\n\r\n"
              .utf8) + photo)
      }
      return Unchecked(connection)
    }
    let start = ContinuousClock.now
    await fixture.stop()
    #expect(start.duration(to: .now) < .seconds(20))
    _ = reader
  }

  @Test func brokenRequestsAreRefused() async throws {
    let fixture = try await HTTPFixture()
    for text in [
      "nonsense\r\n\r\n",
      "POST /v1/parse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: \(String(repeating: "x", count: 100_000))\r\n\r\n",
      "GET /livez HTTP/1.1\r\nHost: localhost\r\n" + String(repeating: "A: b\r\n", count: 2000)
        + "\r\n",
    ] {
      let status = try await onOwnThread { [port = fixture.port] in
        let connection = try Connection(port: port)
        connection.send(text)
        return (try? connection.answer().status) ?? 400
      }
      #expect(status == 400 || status == 431, "\(text.prefix(40)): \(status)")
    }
    #expect(try await fixture.get("/livez").status == 200)
    await fixture.stop()
  }

  @Test func requestsAreNamed() async throws {
    let fixture = try await HTTPFixture()
    #expect(
      try await fixture.get("/livez", ["X-Request-Id": "a-1.b"]).fields["x-request-id"] == "a-1.b")
    let other = try await fixture.get("/livez", ["X-Request-Id": "a b<"]).fields["x-request-id"]
    #expect(other != nil && other != "a b<")
    await fixture.stop()
  }

  // MARK: - Life

  @Test func whatIsInHandIsFinishedWhenItEnds() async throws {
    let fixture = try await HTTPFixture()
    fixture.gate.set(open: false)
    async let answer = fixture.post("/v1/parse", HTTPFixture.photo())
    try await eventually { fixture.service.snapshot.workers.contains(where: \.isBusy) }
    fixture.server.leave()
    #expect(try await fixture.get("/readyz").status == 503)
    #expect(try await fixture.get("/livez").status == 200)
    fixture.service.drain()
    let refused = try await fixture.post("/v1/parse", HTTPFixture.photo(2))
    #expect(refused.status == 503 && refused.code == "draining")
    async let stopped: Void = fixture.server.stop()
    fixture.gate.set(open: true)
    #expect(try await answer.status == 200)
    await stopped
    await #expect(throws: (any Error).self) { try await fixture.get("/livez") }
    fixture.service.stop()
  }

  @Test func anAddressThatIsTakenIsTold() async throws {
    let fixture = try await HTTPFixture()
    var options = HTTPOptions()
    options.listeners = [.init(.host("127.0.0.1", port: fixture.port))]
    let second = HTTPServer(
      fixture.service, options: options, guardian: Guard(), logger: Logger(label: "test"))
    await #expect(throws: RunFailure.self) { try await second.start() }
    await fixture.stop()
  }

  @Test func issue17OnlyADeadSocketIsRemoved() async throws {
    let fixture = try await HTTPFixture()
    let folder = try TemporaryFolder()
    func server(_ name: String) -> HTTPServer {
      var options = HTTPOptions()
      options.listeners = [.init(.unix(folder.filePath.appending(name)))]
      return HTTPServer(
        fixture.service, options: options, guardian: Guard(), logger: Logger(label: "test"))
    }
    let socket = folder.path("socket")
    func isThere() -> Bool {
      var status = stat()
      return lstat(socket, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }
    /// As a server that was killed leaves one.
    func leaveDead() {
      let descriptor = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      var name = sockaddr_un()
      name.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: socket.utf8) }
      let bound = withUnsafeBytes(of: &name) {
        bind(
          descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
          socklen_t(MemoryLayout<sockaddr_un>.size))
      }
      #expect(bound == 0)
      close(descriptor)
      #expect(isThere())
    }
    // Whatever lies where it is to listen stays, and what a link leads to.
    leaveDead()
    try folder.write("photo.jpg", "precious".utf8)
    #expect(mkfifo(folder.path("fifo"), 0o600) == 0 && mkdir(folder.path("folder"), 0o700) == 0)
    for (target, link) in [("photo.jpg", "to-photo"), ("socket", "to-dead"), ("none", "to-none")] {
      #expect(symlink(target, folder.path(link)) == 0)
    }
    func identities() -> [[Int]] {
      ["photo.jpg", "fifo", "folder", "to-photo", "to-dead", "to-none", "socket"].map {
        var status = stat()
        guard lstat(folder.path($0), &status) == 0 else { return [] }
        return [Int(status.st_ino), Int(status.st_mode), status.st_mtim.tv_nsec]
      }
    }
    let before = identities()
    for name in ["photo.jpg", "fifo", "folder", "to-photo", "to-dead", "to-none", "none/socket"] {
      await #expect(throws: RunFailure.self, "\(name)") { try await server(name).start() }
    }
    #expect(identities() == before && !before.contains([]))
    #expect(try folder.tree()["photo.jpg"] == Data("precious".utf8))
    #expect(unlink(socket) == 0)

    let first = server("socket")
    _ = try await first.start()
    await #expect(throws: RunFailure.self) { try await server("socket").start() }
    #expect(isThere(), "one that is in use is let be")
    await first.stop()
    #expect(!isThere())

    leaveDead()
    let second = server("socket")
    _ = try await second.start()
    await second.stop()
    await fixture.stop()
  }

  @Test func issue17LongOptionsAreRefused() async throws {
    let fixture = try await HTTPFixture()
    let answer = try await fixture.post(
      "/v1/parse",
      .form(
        try HTTPFixture.photo(), fields: [("masks", String(repeating: "hair", count: 100_000))]),
      ["Content-Type": "multipart/form-data; boundary=xyz"])
    #expect(answer.status == 400 && answer.code == "bad-request" && answer.body.count < 1000)
    await fixture.stop()
  }

  @Test func metricsArePrometheusText() async throws {
    let fixture = try await HTTPFixture()
    _ = try await fixture.post("/v1/parse", HTTPFixture.photo())
    _ = try await fixture.get("/nothing")
    let answer = try await fixture.get("/metrics")
    #expect(answer.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
    for line in [
      #"m2fp_http_requests_total{route="/v1/parse",method="POST",code="200"} 1"#,
      #"m2fp_http_requests_total{route="other",method="GET",code="404"} 1"#,
      #"m2fp_photos_total{result="parsed"} 1"#, "m2fp_ready 1", "m2fp_workers_busy 0",
      #"m2fp_model_info{name="fake",sha256="0"} 1"#,
    ] {
      #expect(answer.text.contains(line + "\n"), "\(line)")
    }
    let checked = try await ChildProcess.run(
      "promtool", ["check", "metrics"], input: answer.body)
    #expect(checked.code == 0, "\(checked.error)\(checked.output)")
    await fixture.stop()
  }
}

extension HTTPFixture {
  func folderHasEntry(_ folder: TemporaryFolder) throws -> Bool {
    folder.files("cache").contains { $0.hasSuffix(".entry") }
  }
}

struct Unchecked<Value>: @unchecked Sendable {
  let value: Value

  init(_ value: Value) { self.value = value }
}
