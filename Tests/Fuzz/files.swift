import Foundation
import M2FPCore
import M2FPFiles
import SystemPackage

@_silgen_name("m2fp_fail_after") private func failAfter(_ calls: Int)

private let root = scratch.appending("world/in")
private let secret = scratch.appending("world/secret")
private let places: [FilePath] = [
  "a", "b", "d", "d/a", "d/b", "e.m2fp", "e.m2fp/a", "e.m2fp/d", "e.m2fp/d/a", ".m2fp-x.tmp",
  "e.m2fp/.m2fp-y.tmp", "e.m2fp/d/.m2fp-z.tmp",
]

/// Whatever lies in a shared folder, and whichever call of the system fails: what is read and written there
/// ends, whole or with a reason, leaves no file open and no temporary one behind, and follows no link
/// that the rule does not.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFiles(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  var input = FuzzInput(bytes, count)
  let policy = LinkPolicy.allCases[input.take(0...2)]
  let rule = LinkRule(below: root, policy)
  // Only root can plant links of another.
  let arePlanted = input.take(0...1) == 0 && geteuid() == 0
  let isGuarded = policy == .none || policy == .own && arePlanted
  _ = large
  precondition(("/" as FilePath).fileName.isEmpty)
  let before = openFiles()
  build(planting: arePlanted, &input)
  for _ in 0..<input.take(1...9) {
    failAfter(input.take(0...1) * input.take(1...20))
    act(rule, &input)
  }
  failAfter(0)
  precondition(openFiles() == before)
  precondition(
    names(in: root).allSatisfy {
      // One call may fail where a folder is emptied, too.
      !$0.hasPrefix(".m2fp-") || $0.count == ".m2fp-x.tmp".count || $0.hasPrefix(".m2fp-export")
    })
  if isGuarded {
    var status = stat()
    precondition(names(in: secret) == ["s"] && contents(secret.appending("s")) == "secret")
    precondition(
      stat(secret.appending("s").string, &status) == 0 && status.st_mode & 0o777 == 0o640)
  }
  return 0
}

private func openFiles() -> Int { names(in: "/proc/self/fd").count }

private func names(in folder: FilePath) -> [String] {
  (try? FileManager.default.contentsOfDirectory(atPath: folder.string)) ?? []
}

private func contents(_ path: FilePath) -> String? {
  FileManager.default.contents(atPath: path.string).map { String(decoding: $0, as: UTF8.self) }
}

// MARK: - The folder

private func build(planting: Bool, _ input: inout FuzzInput) {
  try? FileManager.default.removeItem(atPath: scratch.appending("world").string)
  put(Array("secret".utf8), at: "world/secret/s")
  chmod(secret.appending("s").string, 0o640)
  put([], at: "world/in/empty")
  symlink("loop", root.appending("loop").string)
  for _ in 0..<input.take(0...8) {
    add(places[input.take(0...places.count - 1)], planting: planting, &input)
  }
}

private func add(_ place: FilePath, planting: Bool, _ input: inout FuzzInput) {
  let path = root.appending(place.components).string
  let inner = ("world/in" as FilePath).appending(place.components)
  // Nothing is made behind a link.
  guard let real = realpath(FilePath(path).folder.string, nil) else { return }
  defer { free(real) }
  guard strcmp(real, FilePath(path).folder.string) == 0 else { return }
  var status = stat()
  guard stat(real, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, lstat(path, &status) != 0
  else { return }
  switch input.take(0...9) {
  case 0...2:
    put(Array(repeating: 7, count: input.take(0...9)), at: inner)
    chmod(path, [0o600, 0o644, 0o664, 0o666][input.take(0...3)])
    if input.take(0...3) == 0 { chown(path, 65534, 65534) }
    if input.take(0...3) == 0 { chown(path, 0, 65534) }
  case 3, 4: mkdir(path, [0o700, 0o755, 0o777][input.take(0...2)])
  case 5: mkfifo(path, 0o666)
  case 6: put([], at: inner.appending(".m2fp-export"))
  default:
    let targets = [secret.string, secret.appending("s").string, ".", "a", "../in/b", "/", "none"]
    symlink(targets[input.take(0...6)], path)
    if planting { lchown(path, 65534, 65534) }
  }
}

// MARK: - What is done there

private func act(_ rule: LinkRule, _ input: inout FuzzInput) {
  let place = places[input.take(0...places.count - 1)]
  let path = root.appending(place.components)
  switch input.take(0...9) {
  case 0: read(path, rule, &input)
  case 1, 2: writeSet(rule, &input)
  case 3: AtomicFiles.removeLeftovers(in: root, andFoldersEnding: ".m2fp", following: rule)
  case 4: export(&input)
  case 5: stream(&input)
  case 6: workInFolder(place, rule, &input)
  case 7: try? AtomicFiles.checkWritable(path, following: rule)
  case 8:
    _ = FileKind(root.appending("loop"))
    _ = NameProbe.isOneName(Array("A".utf8), Array("a".utf8), in: path, following: rule)
    _ = FileKind(path)
  default: try? AtomicFile.write(Data("new".utf8), to: root.appending("b"))
  }
}

private func read(_ path: FilePath, _ rule: LinkRule, _ input: inout FuzzInput) {
  do throws(FileFailure) {
    let contents = try FileReader.read(path, limit: input.take(0...9), following: rule)
    precondition(contents.bytes.count == contents.stamp.size)
  } catch {
    precondition(!error.message.isEmpty)
  }
  _ = rule.refusedLink(in: path)
  guard let file = try? rule.open(path, O_RDONLY | O_NONBLOCK) else { return }
  _ = Trust.objection(to: file)
  _ = try? FileReader.bytes(of: file)
  if input.take(0...31) == 0 { digestLarge(&input) }
  if FileStamp(regularFile: file) != nil {
    _ = try? FileReader.readToEnd(file, limit: input.take(0...9))
    _ = try? DigestCache.standard(environment: ["HOME": scratch.string]).sha256(ofFile: path)
    _ = try? SHA256.hexadecimal(ofFile: path)
  }
  try? file.close()
}

/// A hole, large enough for its digest to be remembered, though not in the first seconds.
private let large: FilePath = {
  put([], at: "large")
  let path = scratch.appending("large")
  precondition(path.withPlatformString { truncate($0, 32 << 20) } == 0)
  return path
}()

private func digestLarge(_ input: inout FuzzInput) {
  let memory = scratch.appending(".cache/m2fp/digests")
  if input.take(0...3) == 0 {
    failAfter(0)
    for name in names(in: memory) {
      put(Array("1 2 3".utf8), at: (".cache/m2fp/digests" as FilePath).appending(name))
    }
  }
  guard
    let digest = try? DigestCache.standard(environment: ["HOME": scratch.string])
      .sha256(ofFile: large)
  else { return }
  precondition(digest == "83ee47245398adee79bd9c0a8bc57b821e92aba10f5f9ade8a5d1fae4d8c4302")
}

nonisolated(unsafe) private let new = UnsafeBufferPointer<UInt8>(
  start: UnsafePointer(strdup("new")).map {
    UnsafeRawPointer($0).assumingMemoryBound(to: UInt8.self)
  },
  count: 3)

/// The files of a set are there, each whole, or those before are; and no temporary one.
private func writeSet(_ rule: LinkRule, _ input: inout FuzzInput) {
  let access = FileAccess(path: root.appending("a")) ?? .standard
  let wanted = (0..<input.take(1...4)).map { _ in places[input.take(0...8)] }
  do throws(FileFailure) {
    var files = AtomicFiles(in: root, following: rule, access: access)
    let isShared = input.take(0...1) == 0
    for name in wanted {
      let original = isShared ? try? rule.open(root.appending("a"), O_RDONLY | O_NONBLOCK) : nil
      defer { try? original?.close() }
      try files.write(
        UnsafeRawBufferPointer(new), to: name,
        sharing: original.map { .init(descriptor: $0.rawValue, offset: 0) })
    }
    files.stampLast(timespec(tv_sec: 9, tv_nsec: 0))
    if input.take(0...3) == 0 { return }
    try files.sync()
    try files.commit(syncing: input.take(0...1) == 0)
    failAfter(0)
    for name in Set(wanted) where !isShared {
      precondition(contents(root.appending(name.components)).map { $0.hasPrefix("new") } ?? true)
    }
  } catch {
    precondition(error.stage == .write && !error.message.isEmpty)
  }
}

private func export(_ input: inout FuzzInput) {
  do throws(FileFailure) {
    let folder = try AtomicFolder(
      root.appending(["a", "d"][input.take(0...1)] as FilePath.Component))
    for name in ["x", "s/y", "s/../../z"] as [FilePath] where input.take(0...3) > 0 {
      try folder.add(.init(files: [(name, .bytes([1, 2, 3]))]))
    }
    if input.take(0...1) == 0 {
      try folder.add(
        .init(files: [("copy", .copy(root.appending("b"), LinkRule(below: root, .none)))]))
    }
    if input.take(0...2) > 0 { try folder.finish() }
  } catch {
    precondition(error.stage == .write && !error.message.isEmpty)
  }
}

private func stream(_ input: inout FuzzInput) {
  do throws(FileFailure) {
    let file = try StreamedFile(root.appending("a"))
    let other = try StreamedFile(root.appending("a"))
    file.restrict(to: FileAccess(path: root.appending("b")) ?? .standard)
    try file.write("one")
    try other.write(String(repeating: "two", count: input.take(0...15) / 15 * 400_000))
    try file.append(other)
    if input.take(0...3) > 0 { try file.commit() }
  } catch {
    precondition(error.stage == .write && !error.message.isEmpty)
  }
}

private func workInFolder(_ place: FilePath, _ rule: LinkRule, _ input: inout FuzzInput) {
  guard let name = place.lastComponent,
    let folder = try? OpenFolder(
      root.appending(place.components).folder, following: rule, making: input.take(0...1) == 0)
  else { return }
  _ = folder.objection
  // Where it belongs to others.
  folder.restrict(name, to: FileAccess(path: root.appending("a")) ?? .standard)
  switch input.take(0...5) {
  case 0: _ = try? folder.create(name, mode: 0o600).close()
  case 1: folder.remove(name)
  case 2: folder.removeEmptyFolder(name)
  case 3: try? folder.rename(name, to: "b", in: folder)
  case 4:
    _ = try? folder.folder(at: places[input.take(0...8)], making: input.take(0...1) == 0)
    _ = try? folder.folder(at: "../secret", making: true)
    _ = try? folder.folder(at: secret, making: true)
  default: (try? folder.folder(named: name, making: false))?.removeContents()
  }
  folder.touch(name, timespec(tv_sec: 9, tv_nsec: 0))
  if folder.lock(while: { false }) {
    // Somebody who opened the folder by himself waits, as long as he likes.
    var patience = 2
    _ = (try? OpenFolder(folder.path))?.lock {
      patience -= 1
      return patience > 0
    }
    folder.unlock()
  }
}
