import Foundation
import TestSupport
import Testing

/// What m2fp writes for programs, as docs/ specifies it.
enum Schema: String {
  /// A line of `parse --json` or `render --json`.
  case reportLine = "json-lines"
  case sidecar

  /// Records an issue for each place where a document is not what the schema says.
  func check(_ documents: [String]) async throws {
    guard !documents.isEmpty else { return }
    let schema = Fixtures.package.appendingPathComponent("docs/\(rawValue).schema.json").path
    for problem in try await SchemaValidator.shared.value.problems(schema, documents) {
      Issue.record("docs/\(rawValue).schema.json: \(problem)")
    }
  }
}

/// Python's jsonschema, in one process for all tests, so that each test answers for what it ran.
private final class SchemaValidator: @unchecked Sendable {
  static let shared = Task { try SchemaValidator(python: await TestPython.path) }

  /// One request after another; all below is used on it alone.
  private let queue = DispatchQueue(label: "schema validator")
  private let requests = Pipe()
  private let answers = Pipe()
  private let reader: UnsafeMutablePointer<FILE>
  private let process = Process()

  /// Standard input is one JSON array a line: the schema's path, and texts. Standard output is what
  /// is wrong with them.
  private static let script = """
    import json, sys
    from jsonschema import Draft202012Validator
    validators = {}
    def problems(validator, text):
        try:
            document = json.loads(text)
        except ValueError as error:
            return [f"{error} in {text}"]
        return [f"{e.json_path}: {e.message} in {text}" for e in validator.iter_errors(document)]
    for line in sys.stdin:
        path, *texts = json.loads(line)
        if path not in validators:
            schema = json.load(open(path))
            Draft202012Validator.check_schema(schema)
            validators[path] = Draft202012Validator(schema)
        print(json.dumps([p for t in texts for p in problems(validators[path], t)]), flush=True)
    """

  init(python: String) throws {
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["-c", Self.script]
    process.standardInput = requests
    process.standardOutput = answers
    reader = try #require(fdopen(answers.fileHandleForReading.fileDescriptor, "r"))
    try process.run()
  }

  func problems(_ schema: String, _ documents: [String]) async throws -> [String] {
    let request = try JSONEncoder().encode([schema] + documents) + Data("\n".utf8)
    return try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Result { try self.answer(to: request) }) }
    }
  }

  private func answer(to request: Data) throws -> [String] {
    try requests.fileHandleForWriting.write(contentsOf: request)
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    let count = getline(&line, &capacity, reader)
    let text = try #require(count > 0 ? line : nil, "the validator has ended")
    return try JSONDecoder().decode([String].self, from: Data(bytes: text, count: count))
  }
}
