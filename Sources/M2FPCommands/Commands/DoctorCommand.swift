import ArgumentParser
import Dispatch
import M2FP
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPInference
import M2FPResults
import SystemPackage

/// Checks what parsing depends on.
struct DoctorCommand: ExplainedCommand {
  static let examples = [
    Example("m2fp doctor", "is all there, and does it work?")
  ]

  static let explanation = "Exits 0 only if all is well."

  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check libraries, CPUs and models, and parse a test pattern with each model.",
    discussion: discussion)

  func run() throws {
    try Console.exiting {
      var problems: [TerminalText] = []
      Console.writeLine("m2fp       \(Version.current)")
      do throws(RunFailure) {
        describe(try TorchRuntimeInfo(), &problems)
      } catch {
        problems.append("\(error.text)")
      }
      describeFormats()
      let plan = describeProcessors()
      checkModels(plan, &problems)
      if problems.isEmpty {
        Console.writeLine("\nAll is well.")
        return
      }
      Console.writeLine("\nNot all is well:")
      for problem in problems { Console.writeLine("  - \(problem)") }
      throw ExitCode(1)
    }
  }

  private func describe(_ runtime: TorchRuntimeInfo, _ problems: inout [TerminalText]) {
    Console.writeLine("libtorch   \(runtime.torchVersion), kernels for \(runtime.cpuCapability)")
    Console.writeLine("kernels    m2fp's own for \(runtime.instructionSet)")
    Console.writeLine("oneDNN     \(runtime.oneDNNVersion)")
    let blas =
      switch runtime.blas {
      case .openBLASOpenMP: "OpenBLAS (OpenMP)"
      case .openBLASThreads: "OpenBLAS (POSIX threads)"
      case .reference: "reference BLAS"
      case .other: "unknown"
      }
    Console.writeLine("BLAS       \(blas): \(runtime.blasPath)")
    if !runtime.blasConfiguration.isEmpty {
      Console.writeLine("           \(runtime.blasConfiguration)")
    }
    if runtime.blas == .reference {
      problems.append(
        """
        the reference BLAS is in use: an image takes ten times as long. Cure it with
              sudo apt-get install libopenblas0-openmp
        """)
    }
    #if arch(x86_64)  // torch names no other processor's vector instructions
      if ["DEFAULT", "NO AVX", ""].contains(runtime.cpuCapability) {
        problems.append("this CPU has no AVX2: expect several times the usual time an image")
      }
    #endif
  }

  /// What is missing is no problem where there are no such photos.
  private func describeFormats() {
    Console.writeLine("formats    \(ImageFormat.list)")
    for format in ImageFormat.allCases {
      guard let library = format.missingLibrary else { continue }
      let package = Remedies.debianPackage(of: library)
      Console.writeLine("           no \(format.rawValue) without \(library): install \(package)")
    }
  }

  private func describeProcessors() -> ThreadPlan {
    let budget = CPUBudget.current()
    var text = "CPUs       \(budget.allowed) allowed"
    if let quota = budget.quota { text += ", a control group grants \(quota) of them" }
    let plan = ThreadPlan(jobs: nil, threads: nil, files: .max, budget: budget)
    Console.writeLine("\(text)")
    Console.writeLine("threads    \(plan.jobs) jobs of \(plan.threads) for a folder of photos")
    return plan
  }

  private func checkModels(_ plan: ThreadPlan, _ problems: inout [TerminalText]) {
    let locator = ModelLocator.standard
    let paths = locator.archives
    if !paths.contains(where: { ModelLocator.name($0) == ModelLocator.defaultModel }) {
      problems.append(
        """
        the default model \(ModelLocator.defaultModel) is not in any of \
        \(locator.folders.map(\.string).joined(separator: ", ")); 'make install' puts it there, \
        and M2FP_MODELS names another folder
        """)
    }
    for path in paths {
      Console.writeLine("model      \(path)")
      do throws(RunFailure) {
        let archive = try locator.open(.file(path))
        let contract = archive.contract
        Console.writeLine(
          """
                     \(contract.model), \(contract.classes.count) classes, made with torch \
          \(contract.torchVersion)
          """)
        Console.writeLine("           sha256 \(try archive.digest())")
        for helper in archive.all.dropFirst() {
          Console.writeLine("           needs \(helper.path)")
        }
        if !archive.helpers.isEmpty {
          Console.writeLine("           sha256 of all \(try archive.resultDigest())")
        }
        let seconds = try selfTest(archive, threads: plan.threads)
        Console.writeLine("           self-test passed in \((seconds * 100).rounded() / 100) s")
      } catch {
        problems.append("\(error.text)")
      }
    }
  }

  /// Loads the model and parses a test pattern.
  ///
  /// - Returns: The seconds that the network and the merge took.
  private func selfTest(_ archive: ModelArchive, threads: Int) throws(RunFailure) -> Double {
    var options = ParserOptions()
    options.maxSide = 0
    let parser = Parser(archive, options: options)
    let worker = try parser.makeWorker(threads: threads)
    let (width, height) = (192, 256)
    let pattern = RGBImage(
      width: width, height: height,
      pixels: (0..<(width * height * 3)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 577) })
    let start = DispatchTime.now().uptimeNanoseconds
    do throws(FileFailure) {
      let found = try worker.infer(parser.decode(pattern)).result
      guard found.classPixelCounts.reduce(0, +) == width * height else {
        throw FileFailure(
          stage: .merge, code: .inference, message: "its labels do not cover the image")
      }
    } catch {
      throw RunFailure(.modelContract, "\(archive.path): \(error.message)")
    }
    return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
  }
}
