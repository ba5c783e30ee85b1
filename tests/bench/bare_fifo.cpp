// What FIFO on full Philly costs without a simulator: unpacks and reads philly.csv.gz, sorts it, runs FIFO over
// std::priority_queue, writes a row a job (OUT/jobs.csv) and seven log lines a job, packed by zstd
// (OUT/events.jsonl.zst). No placement, no checker, no metrics. `orrery run --policy fifo` is held against it
// (scripts/bench, docs/performance.md); the finish times of the two are the same, which shows that they do the same.
//   orrery_bare_fifo philly.csv.gz GPUS OUT
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <queue>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace {

struct Job {
  std::int64_t submit = 0, duration = 0, start = 0;  // in seconds
  int gpus = 0, row = 0;
  std::string tenant;
};

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "bare_fifo: %s\n", what);
  std::exit(1);
}

std::string unpacked(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  std::string packed = all.str(), text, piece(1U << 17, '\0');
  z_stream z{};
  if (packed.empty() || inflateInit2(&z, 15 + 16) != Z_OK) give_up("cannot read the trace");
  z.next_in = reinterpret_cast<Bytef*>(packed.data());
  z.avail_in = static_cast<uInt>(packed.size());
  for (int state = Z_OK; state != Z_STREAM_END;) {
    z.next_out = reinterpret_cast<Bytef*>(piece.data());
    z.avail_out = static_cast<uInt>(piece.size());
    state = inflate(&z, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END) give_up("the trace is damaged");
    text.append(piece, 0, piece.size() - z.avail_out);
  }
  inflateEnd(&z);
  return text;
}

std::int64_t number(std::string_view text) {
  std::int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

// "2017-10-09 07:01:55" in seconds since 1970; days by Howard Hinnant's formula.
std::int64_t wall_clock(std::string_view t) {
  std::int64_t y = number(t.substr(0, 4)), m = number(t.substr(5, 2)), d = number(t.substr(8, 2));
  y -= m <= 2;
  const std::int64_t era = y / 400, of_era = y - era * 400;
  const std::int64_t day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  const std::int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day - 719468;
  return days * 86400 + number(t.substr(11, 2)) * 3600 + number(t.substr(14, 2)) * 60 + number(t.substr(17, 2));
}

// timestamp,duration,num_gpus,gpu_time,cluster
std::vector<Job> jobs_of(std::string_view text) {
  std::vector<Job> jobs;
  std::size_t at = text.find('\n') + 1;
  for (int row = 1; at < text.size(); ++row) {
    if (text[at] == '\n') break;  // the file ends with an empty line
    std::string_view cells[5];
    for (int i = 0; i < 5; ++i) {
      const std::size_t end = std::min(text.find(i < 4 ? ',' : '\n', at), text.size());
      cells[i] = text.substr(at, end - at);
      at = end + 1;
    }
    jobs.push_back(
        {wall_clock(cells[0]), number(cells[1]), 0, static_cast<int>(number(cells[2])), row, std::string(cells[4])});
  }
  const auto key = [](const Job& j) { return std::make_tuple(j.submit, j.duration, j.gpus); };
  std::stable_sort(jobs.begin(), jobs.end(), [&](const Job& a, const Job& b) { return key(a) < key(b); });
  const std::int64_t zero = jobs.empty() ? 0 : jobs[0].submit;
  for (Job& j : jobs) j.submit -= zero;
  return jobs;
}

void add(std::string& out, std::string_view text) {
  out.append(text);
}

void add(std::string& out, std::int64_t n) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
}

template <class... Parts>
void add_all(std::string& out, const Parts&... parts) {
  (add(out, parts), ...);
}

// Packs lines as the log of `orrery` is packed.
class Log {
 public:
  explicit Log(const std::string& path) : file_(std::fopen(path.c_str(), "wb")), pack_(ZSTD_createCCtx()) {
    if (file_ == nullptr) give_up("cannot write the log");
    ZSTD_CCtx_setParameter(pack_, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(pack_, ZSTD_c_windowLog, 17);
    ZSTD_CCtx_setParameter(pack_, ZSTD_c_hashLog, 11);
    ZSTD_CCtx_setParameter(pack_, ZSTD_c_minMatch, 7);
  }
  ~Log() {
    pack(ZSTD_e_end);
    ZSTD_freeCCtx(pack_);
    std::fclose(file_);
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  template <class... Parts>
  void line(std::int64_t at, std::string_view event, const Job& j, const Parts&... more) {
    add_all(text_, "{\"t_ns\":", at * 1'000'000'000, ",\"e\":\"", event, "\",\"job\":\"r", j.row, "\"", more...,
            "}\n");
    if (text_.size() >= 1U << 16) pack(ZSTD_e_continue);
  }

 private:
  void pack(ZSTD_EndDirective how) {
    ZSTD_inBuffer in{text_.data(), text_.size(), 0};
    for (bool done = false; !done;) {
      ZSTD_outBuffer out{packed_.data(), packed_.size(), 0};
      const std::size_t left = ZSTD_compressStream2(pack_, &out, &in, how);
      if (std::fwrite(packed_.data(), 1, out.pos, file_) != out.pos) give_up("cannot write the log");
      done = how == ZSTD_e_end ? left == 0 : in.pos == in.size;
    }
    text_.clear();
  }
  std::FILE* file_;
  ZSTD_CCtx* pack_;
  std::string text_, packed_ = std::string(1U << 17, '\0');
};

void run(std::vector<Job>& jobs, int gpus, Log& log) {
  using End = std::pair<std::int64_t, int>;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends;
  int free = gpus;
  std::int64_t epoch = 0;
  std::size_t next = 0, first = 0;  // to be submitted; first in the queue
  const auto count = static_cast<std::size_t>(jobs.size());
  while (next < count || !ends.empty()) {
    const std::int64_t submit = next < count ? jobs[next].submit : INT64_MAX;
    const std::int64_t now = std::min(submit, ends.empty() ? INT64_MAX : ends.top().first);
    for (; !ends.empty() && ends.top().first == now; ends.pop()) {
      const Job& j = jobs[static_cast<std::size_t>(ends.top().second)];
      free += j.gpus;
      log.line(now, "finish", j, ",\"inc\":1");
    }
    for (; next < count && jobs[next].submit == now; ++next) {
      log.line(now, "submit", jobs[next], ",\"id\":", static_cast<std::int64_t>(next),
               ",\"estimate\":", jobs[next].duration * 1'000'000'000);
      log.line(now, "ready", jobs[next]);
    }
    for (; first < next && jobs[first].gpus <= free; ++first) {
      Job& j = jobs[first];
      free -= j.gpus;
      j.start = now;
      ends.emplace(now + j.duration, static_cast<int>(first));
      log.line(now, "decide", j, ",\"epoch\":", ++epoch, ",\"changes\":1");
      log.line(now, "launch", j, ",\"inc\":1,\"gang\":", static_cast<std::int64_t>(first), ",\"gpus\":\"",
               static_cast<std::int64_t>(j.gpus), "\"");
      log.line(now, "start", j, ",\"inc\":1,\"gang\":", static_cast<std::int64_t>(first));
      log.line(now, "progress", j, ",\"inc\":1,\"done\":", 0);
    }
  }
}

void write_rows(const std::vector<Job>& jobs, const std::string& path) {
  std::string out = "job_id,tenant,gpus,submit_s,first_start_s,finish_s,jct_s,wait_s,run_s,service_gpu_s,state\n";
  for (const Job& j : jobs)
    add_all(out, "r", j.row, ",", j.tenant, ",", j.gpus, ",", j.submit, ",", j.start, ",", j.start + j.duration, ",",
            j.start + j.duration - j.submit, ",", j.start - j.submit, ",", j.duration, ",", j.gpus * j.duration,
            ",finished\n");
  std::ofstream(path, std::ios::binary) << out;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) give_up("usage: orrery_bare_fifo philly.csv.gz GPUS OUT");
  const std::string folder = arguments[3];
  std::vector<Job> jobs = jobs_of(unpacked(arguments[1]));
  {
    Log log(folder + "/events.jsonl.zst");
    run(jobs, std::atoi(arguments[2]), log);
  }
  write_rows(jobs, folder + "/jobs.csv");
  std::int64_t waited = 0;
  for (const Job& j : jobs) waited += j.start - j.submit;
  std::printf("%zu jobs, mean wait %.0f s\n", jobs.size(),
              static_cast<double>(waited) / static_cast<double>(jobs.size()));
}
