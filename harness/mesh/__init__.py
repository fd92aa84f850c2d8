"""The eBPF mesh's control plane: identities and policies into maps, programs onto links. Programs are in bpf/."""
