"""Virtual machines: kernels of Debian's, direct QEMU for jobs, Vagrant for nodes."""
