// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "embed",
  dependencies: [.package(name: "m2fp", path: "../..")],
  targets: [
    .executableTarget(name: "embed", dependencies: [.product(name: "M2FP", package: "m2fp")])
  ]
)
