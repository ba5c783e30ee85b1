// The fuzz targets of backend/data and of model configurations; see targets.hpp, whose table holds them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace orrery::test {

void run_tar(std::string_view bytes);
void run_sample(std::string_view bytes);
void run_tokenizer(std::string_view bytes);
void run_model_config(std::string_view bytes);

std::vector<std::string> tar_seeds();
std::vector<std::string> sample_seeds();
std::vector<std::string> tokenizer_seeds();
std::vector<std::string> model_config_seeds();

}  // namespace orrery::test
