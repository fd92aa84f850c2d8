/* The kernel's short names of integers, over the user-space API's. */
#include_next <linux/types.h>

#ifndef MESHPROOF_TYPES_H
#define MESHPROOF_TYPES_H
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef _Bool bool;
typedef unsigned long size_t;
typedef unsigned long uintptr_t;
#endif
