// A library that is none of policies.
extern "C" int nothing_here() {
  return 0;
}
