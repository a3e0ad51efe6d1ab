// Memory for torch's tensors.
#pragma once

namespace m2fp {

// Makes torch take memory on CPUs from a pool that keeps large blocks from one operator, and from one
// run, to the next: the kernel would clear them each time, which costs 5 % of a run. Once a process,
// before the first tensor.
void install_block_pool();

// From now on the calling thread takes blocks that threads on the NUMA node where it runs now have taken
// first, so that their memory is near to a thread that stays there.
void keep_blocks_near();

// Gives what no tensor uses back to the system. Any thread.
void trim_block_pool();

}  // namespace m2fp
