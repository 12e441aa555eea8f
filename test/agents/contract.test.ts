import { agents } from "../../agents/index.ts";
import { agentContract } from "../contracts/agent.ts";

for (const agent of agents) agentContract(agent);
