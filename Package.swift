// swift-tools-version: 6.2

import PackageDescription

let swiftSettings: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]
// Hot loops are compiled for AVX2 and FMA where a function asks for them (target attributes), never
// for the whole file: the binary must start on any x86-64 and say clearly what it lacks.
//
// Headers hide what they declare (#pragma GCC visibility): a release exports all else, for the sake of
// Swift's libraries that are linked into it, and flags such as -fvisibility are refused in packages that
// others depend on.
//
// glibc checks the sizes that the compiler knows, which it does where it optimises: C in release builds,
// the C++ of the network always.
let cSettings: [CSetting] = [
  .treatAllWarnings(as: .error),
  .define("_FORTIFY_SOURCE", to: "2", .when(configuration: .release)),
]
let cxxSettings: [CXXSetting] = [
  .treatAllWarnings(as: .error),
  .define("_FORTIFY_SOURCE", to: "2"),
]
// What the dynamic linker has filled in cannot be overwritten. Not for the library M2FP: a package
// with such flags cannot be depended on by its version.
let linkerSettings: [LinkerSetting] = [
  .unsafeFlags(["-Xlinker", "-z", "-Xlinker", "relro", "-Xlinker", "-z", "-Xlinker", "now"])
]
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

let package = Package(
  name: "m2fp",
  products: [
    .executable(name: "m2fp", targets: ["m2fp"]),
    .library(name: "M2FP", targets: ["M2FP"]),
    // Opened at run time (Sources/CTorchLoader), not linked.
    .library(name: "M2FPTorch", type: .dynamic, targets: ["CTorchSession"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.11.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
  ],
  targets: [
    .executableTarget(
      name: "m2fp",
      // ArgumentParser: without it here the manual's generator passes the product over.
      dependencies: [
        "M2FPCommands", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swiftSettings,
      // Where a package has libraries of its own they lie beside libM2FPTorch.so.
      linkerSettings: linkerSettings
        + [.unsafeFlags(["-Xlinker", "-rpath=$ORIGIN/../lib/m2fp"])]),
    // Times the stages round the network; not installed.
    .executableTarget(
      name: "m2fp-bench",
      dependencies: ["M2FP", "M2FPCore", "M2FPImageIO", "M2FPInference", system],
      swiftSettings: swiftSettings),
    .target(
      name: "M2FPCommands",
      dependencies: [
        "CBuildInfo", "M2FP", "M2FPBatch", "M2FPCore", "M2FPDatasets", "M2FPEvaluation",
        "M2FPExport", "M2FPFiles", "M2FPImageIO", "M2FPInference", "M2FPResults",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        system,
      ],
      resources: ["atr", "celebamask", "cihp", "lip", "pascal", "sapiens", "simple"].map {
        .embedInCode("Remaps/\($0).json")
      },
      swiftSettings: swiftSettings),
    // One image: bytes in, results out.
    .target(
      name: "M2FP", dependencies: ["M2FPCore", "M2FPImageIO", "M2FPInference"],
      swiftSettings: swiftSettings),
    .target(
      name: "M2FPBatch",
      dependencies: [
        "CLibHiredis", "CThreadCalls", "M2FP", "M2FPCore", "M2FPFiles", "M2FPImageIO",
        "M2FPResults", system,
      ],
      swiftSettings: swiftSettings),
    // Photos of many clients at once, in turn: queue, limits, jobs. No sockets.
    .target(
      name: "M2FPServe",
      dependencies: [
        "M2FP", "M2FPBatch", "M2FPCore", "M2FPFiles", "M2FPImageIO", "M2FPResults", system,
      ],
      swiftSettings: swiftSettings),
    .target(
      name: "M2FPExport",
      dependencies: ["M2FPCore", "M2FPFiles", "M2FPImageIO", "M2FPResults", system],
      resources: [.embedInCode("Sheet/sheet.css"), .embedInCode("Sheet/sheet.js")],
      swiftSettings: swiftSettings),
    .target(
      name: "M2FPDatasets",
      dependencies: [
        "M2FPCore", "M2FPEvaluation", "M2FPFiles", "M2FPImageIO", "M2FPResults", system,
      ],
      swiftSettings: swiftSettings),
    .target(name: "M2FPEvaluation", dependencies: ["M2FPCore"], swiftSettings: swiftSettings),
    .target(
      name: "M2FPResults", dependencies: ["M2FPCore", "M2FPFiles", "M2FPImageIO", system],
      swiftSettings: swiftSettings),
    .target(
      name: "M2FPInference",
      dependencies: [
        "CLibZip", "CTorchInterface", "CTorchLoader", "M2FPCore", "M2FPFiles", system,
      ],
      swiftSettings: swiftSettings),
    .target(
      name: "M2FPImageIO", dependencies: ["CFont", "CImageCodec", "M2FPCore"],
      swiftSettings: swiftSettings),
    .target(
      name: "M2FPFiles", dependencies: ["CFileCalls", "CLibCrypto", "M2FPCore", system],
      swiftSettings: swiftSettings),
    .target(
      name: "M2FPCore", dependencies: ["CPostprocess", system], swiftSettings: swiftSettings),
    .target(name: "CBuildInfo", cSettings: cSettings),
    .target(name: "CFileCalls", cSettings: cSettings),
    .target(name: "CThreadCalls", cSettings: cSettings),
    // The header that the loader and the library that it opens agree on.
    .target(name: "CTorchInterface", cSettings: cSettings),
    .target(name: "CTorchLoader", dependencies: ["CTorchInterface"], cSettings: cSettings),
    .target(
      name: "CTorchSession", dependencies: ["CTorchInterface"],
      cxxSettings: cxxSettings + [
        // Of this library nothing is called but what its header exports.
        .unsafeFlags(["-fvisibility=hidden", "-fvisibility-inlines-hidden"]),
        // Without it a debug build takes minutes for an image.
        .unsafeFlags(["-O2"], .when(configuration: .debug)),
      ],
      // Swift's driver links it: its start-up code would make the library need libswiftCore, of which
      // it calls nothing.
      linkerSettings: linkerSettings + [.unsafeFlags(["-nostartfiles", "-static-stdlib"])]
        + ["torch", "torch_cpu", "c10", "gomp"].map { .linkedLibrary($0) }),
    .target(name: "CPostprocess", cSettings: cSettings),
    .target(
      name: "CImageCodec", dependencies: ["CLibJPEG", "CLibPNG"], cSettings: cSettings,
      // libpng's, for the texts that it is spared.
      linkerSettings: [.linkedLibrary("z")]),
    .target(name: "CFont", dependencies: ["CLibFreeType"], cSettings: cSettings),
    .systemLibrary(
      name: "CLibFreeType", pkgConfig: "freetype2", providers: [.apt(["libfreetype-dev"])]),
    .systemLibrary(name: "CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CLibHiredis", providers: [.apt(["libhiredis-dev"])]),
    .systemLibrary(name: "CLibZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
    .systemLibrary(name: "CLibJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .systemLibrary(name: "CLibPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    // What the tests of several targets need; plain code, no tests.
    .target(
      name: "TestSupport", dependencies: ["M2FPCore", "M2FPImageIO", system],
      path: "Tests/TestSupport",
      swiftSettings: swiftSettings),
    .testTarget(name: "LayeringTests", swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPCoreTests",
      dependencies: ["CPostprocess", "M2FPCore", "TestSupport", system],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPEvaluationTests",
      dependencies: ["M2FPCore", "M2FPEvaluation", "TestSupport"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPDatasetsTests",
      dependencies: [
        "M2FPCore", "M2FPDatasets", "M2FPEvaluation", "M2FPImageIO", "TestSupport", system,
      ],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPFilesTests",
      dependencies: ["M2FPCore", "M2FPFiles", "TestSupport", system],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPImageIOTests",
      dependencies: ["M2FPCore", "M2FPImageIO", "TestSupport"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPInferenceTests",
      dependencies: ["M2FPCore", "M2FPInference", "TestSupport", system],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPBatchTests",
      dependencies: [
        "M2FP", "M2FPBatch", "M2FPCore", "M2FPFiles", "M2FPImageIO", "M2FPResults", "TestSupport",
        system,
      ],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPServeTests",
      dependencies: [
        "M2FP", "M2FPBatch", "M2FPCore", "M2FPFiles", "M2FPImageIO", "M2FPResults", "M2FPServe",
        "TestSupport", system,
      ],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPExportTests",
      dependencies: [
        "M2FPBatch", "M2FPCore", "M2FPExport", "M2FPFiles", "M2FPImageIO", "M2FPResults",
        "TestSupport", system,
      ],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPCommandsTests",
      dependencies: [
        "M2FPBatch", "M2FPCommands", "M2FPCore", "M2FPFiles", "M2FPInference", "M2FPResults",
        "TestSupport", system,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swiftSettings),
    // What runs the binary.
    .testTarget(
      name: "IntegrationTests",
      dependencies: [
        "m2fp", "M2FPBatch", "M2FPCommands", "M2FPCore", "M2FPFiles",
        "M2FPImageIO", "M2FPResults", "TestSupport", system,
      ],
      swiftSettings: swiftSettings),
  ],
  cxxLanguageStandard: .cxx17
)

// The server and its HTTP stack, which the batch tool and those that embed the library neither fetch
// nor build.
if Context.environment["M2FP_SERVE"] == "1" {
  package.dependencies += [
    .package(url: "https://github.com/apple/swift-http-types", from: "1.4.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
  ]
  let http: [Target.Dependency] = [
    .product(name: "HTTPTypes", package: "swift-http-types"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOExtras", package: "swift-nio-extras"),
    .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
    .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
  ]
  let log = Target.Dependency.product(name: "Logging", package: "swift-log")
  if let bench = package.targets.first(where: { $0.name == "m2fp-bench" }) {
    bench.dependencies += ["M2FPHTTP", "M2FPResults", "M2FPServe", log]
    bench.swiftSettings = swiftSettings + [.define("M2FP_SERVE")]
  }
  package.products.append(.executable(name: "m2fp-serve", targets: ["m2fp-serve"]))
  package.targets += [
    .executableTarget(
      name: "m2fp-serve",
      dependencies: [
        "M2FP", "M2FPBatch", "M2FPCommands", "M2FPCore", "M2FPHTTP", "M2FPResults", "M2FPServe",
        log, system,
      ],
      swiftSettings: swiftSettings,
      linkerSettings: linkerSettings
        + [.unsafeFlags(["-Xlinker", "-rpath=$ORIGIN/../lib/m2fp"])]),
    .target(
      name: "M2FPHTTP",
      dependencies: [
        "M2FP", "M2FPBatch", "M2FPCore", "M2FPFiles", "M2FPImageIO", "M2FPResults", "M2FPServe",
        log, system,
      ] + http,
      resources: ["OpenAPI/openapi.json"].map { .embedInCode($0) }
        + ["html", "js", "css", "svg"].map { .embedInCode("Page/page.\($0)") },
      swiftSettings: swiftSettings),
    .testTarget(
      name: "M2FPHTTPTests",
      dependencies: [
        "M2FP", "M2FPBatch", "M2FPCore", "M2FPFiles", "M2FPHTTP", "M2FPImageIO", "M2FPResults",
        "M2FPServe", "TestSupport", log, system,
      ],
      swiftSettings: swiftSettings),
  ]
}

// `make tsan` builds the layers with threads alone: torch's are not ours to judge.
if Context.environment["M2FP_BATCH_ONLY"] != nil {
  func needed(by name: String) -> Set<String> {
    let target = package.targets.first { $0.name == name }
    return (target?.dependencies ?? []).reduce(into: [name]) { names, dependency in
      if case .byNameItem(let name, _) = dependency { names.formUnion(needed(by: name)) }
    }
  }
  let kept = ["M2FPBatchTests", "M2FPServeTests", "M2FPHTTPTests"].reduce(into: Set<String>()) {
    $0.formUnion(needed(by: $1))
  }
  package.products = []
  package.targets.removeAll { !kept.contains($0.name) }
  let packages = package.targets.flatMap(\.dependencies).compactMap { dependency in
    if case .productItem(_, let package, _, _) = dependency { package } else { nil }
  }
  package.dependencies.removeAll { dependency in
    guard case .sourceControl(_, let location, _) = dependency.kind else { return true }
    return !packages.contains { location.hasSuffix("/" + $0) }
  }
}
