import { startCluster } from "../harness/index.ts";
import { secretApiContract } from "./secret-api.contract.ts";

secretApiContract("a real cluster", startCluster);
