// A TorchScript archive is a program. What it may do is looked at before torch runs any of it.
#pragma once

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <stdexcept>

namespace m2fp {

// The archive does, or may do, more than compute: what says which part of it.
struct UntrustedArchive : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The archive in an open file, which stays the caller's and must stay open.
std::shared_ptr<caffe2::serialize::ReadAdapterInterface> open_archive(int file);

// Throws UntrustedArchive where there is code that torch would run while it loads the archive.
void check_code(const std::shared_ptr<caffe2::serialize::ReadAdapterInterface>& archive);

// Throws UntrustedArchive where the network calls what no network exported for m2fp does: operators
// that read or write files, among others.
void check_operators(const torch::jit::Module& module);

}  // namespace m2fp
