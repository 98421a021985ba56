const { posix } = require("node:path");

/**
 * Patterns of what a function's package has of the folder fleet/: nothing, unless the setting `fleet` names a file of
 * the package. Beside that file lie credentials of clusters, for the functions alone that reach clusters.
 */
function patternsFor(fleet) {
  if (!fleet || fleet.startsWith("s3:")) return { alone: "!fleet/**", whole: "!fleet/**" };
  return { alone: posix.normalize(fleet), whole: "fleet/**" };
}

/** For serverless.yml */
module.exports = async ({ resolveVariable }) => patternsFor(await resolveVariable("self:custom.settings.fleet, null"));
module.exports.patternsFor = patternsFor;
